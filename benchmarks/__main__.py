"""`python -m benchmarks`, which `make bench` runs."""

import sys

from benchmarks.bench import main

sys.exit(main())
