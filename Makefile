# Everything a developer runs. `make help` lists it.

VENV := .venv
PY := $(VENV)/bin/python
# The first that can make a virtual environment and that the embedded Triton runs on too, else the first that is newer.
PYTHONS := $(or $(PYTHON),python3 python3.12 python3.11 python3.13 python3.14)
COMPILE := $(PY) -m piptools compile --quiet --strip-extras --allow-unsafe --no-emit-options --no-header --no-annotate

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help up test test-clients check bench lock clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(VENV)/.runtime ## Run Hanse with demo data on PORT (8000); Ctrl-C stops it
	@$(PY) demo/up.py

test: $(VENV)/.development ## Run every test, on SQLite and on PostgreSQL with Redis (TESTS=tests/config for a part)
	@$(PY) tests/run_lanes.py $(TESTS)

# What clients do with each endpoint; `make test` runs these too.
CLIENTS := $(addprefix tests/live/test_,$(addsuffix .py,chat tools reasoning responses completions embeddings rerank cohere images openai_node))

test-clients: $(VENV)/.development ## Run what OpenAI's SDKs for Python and (where npm answers) Node, and Cohere's, do with the API
	@LANE=$${LANE:-embedded} $(PY) tests/run_lanes.py tests/clients $(CLIENTS)

# Checks look at the code, not at an installation: not at this one's .env, database or var/ either.
check: export ENV_FILE :=
check: export DATABASE_URL :=
check: export REDIS_URL :=
check: export VAR_DIR := var/check
check: $(VENV)/.development ## Lint, format, types, layers, migrations, templates, locks
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(PY) manage.py makemigrations --check --dry-run
	find templates accounts billing inference -name '*.html' -print0 | xargs -0 --no-run-if-empty $(VENV)/bin/djade --check --target-version 5.2
	$(PY) -m tests.check_locks
	test ! -e platform/__init__.py

bench: $(VENV)/.development ## Measure Hanse beside an engine and a bare relay, eight minutes (benchmarks/README.md)
	@$(PY) -m benchmarks

lock: $(VENV)/.development ## Write requirements*.txt from pyproject.toml (LOCK_OPTIONS=--upgrade for newer versions)
	@mkdir -p var/lock
	@grep -v '^-' requirements.txt > var/lock/runtime.txt
	@grep -hv '^-' requirements.txt requirements-dev.txt > var/lock/all.txt
	$(COMPILE) $(LOCK_OPTIONS) --output-file var/lock/runtime.txt pyproject.toml
	$(COMPILE) $(LOCK_OPTIONS) --extra dev --constraint var/lock/runtime.txt --output-file var/lock/all.txt pyproject.toml
	@{ echo '-e .'; cat var/lock/runtime.txt; } > requirements.txt
	@{ echo '-r requirements.txt'; grep -v '^#' var/lock/all.txt | grep -vxFf var/lock/runtime.txt | grep .; } > requirements-dev.txt
	@rm -r var/lock

clean: ## Remove the virtual environment and what tools left; var/ (data, secrets) stays
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -path ./var -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps say which requirements are in: without a change, neither pip nor the network is asked again.
$(VENV)/.runtime: $(PY) requirements.txt pyproject.toml
	@echo 'Installing what Hanse needs into .venv (once, a minute or two) ...'
	@$(PY) -m pip install --progress-bar off --requirement requirements.txt
	@touch $@

$(VENV)/.development: $(PY) requirements.txt requirements-dev.txt pyproject.toml
	@echo 'Installing what Hanse and its tests need into .venv (once, a minute or two) ...'
	@$(PY) -m pip install --progress-bar off --requirement requirements-dev.txt
	@touch $(VENV)/.runtime $@

$(PY):
	@for below in 13 100; do for python in $(PYTHONS); do \
		if "$$python" -c "import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, $$below))" 2> /dev/null; then \
			echo "Making .venv with $$("$$python" --version) ..."; \
			exec "$$python" -m venv $(VENV); \
		fi; \
	done; done; \
	echo 'Hanse needs Python 3.11 or newer with its venv module (Debian: apt-get install python3-venv); PYTHON= names one that is not on PATH.' >&2; \
	exit 1
