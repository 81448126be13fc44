"""Tables, an organization with a key and models with a deployment, all in one process: `python -m benchmarks.seed URL`.

Prints the key, and nothing else.
"""

import io
import json
import os
import sys

import django
from django.core.management import call_command

from benchmarks.upstream import LARGE_MODEL, LONG_MODEL, MODEL

# Tokens of context: of a small model, of most models of today, and of what coding agents like best.
CONTEXT_LENGTHS = {MODEL: 32_768, LONG_MODEL: 131_072, LARGE_MODEL: 262_144}


def main(upstream: str) -> str:
    """Run the commands that an operator would; the key's text."""
    call_command("migrate", verbosity=0)
    call_command("create_organization", "bench", stdout=io.StringIO())
    issued = io.StringIO()
    call_command("issue_key", "bench", "bench", "--json", stdout=issued)
    for model, context_length in CONTEXT_LENGTHS.items():
        said = io.StringIO()
        call_command("set_price", "--model", model, "--input", "0.15", "--output", "0.60", stdout=said)
        limits = ["--max-output-tokens", "4096", "--default-output-tokens", "256"]
        limits += ["--context-length", str(context_length)]
        call_command("publish_model", model, "--assets", "demo-chat", *limits, stdout=said)
        limits = ["--max-concurrency", "4096"]
        call_command("add_deployment", model, "--model", model, "--url", upstream, *limits, stdout=said)
    return str(json.loads(issued.getvalue())["key"])


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    print(main(sys.argv[1]), end="")
