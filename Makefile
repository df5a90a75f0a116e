# citylake. `make` or `make help` shows what can be done.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
# the demo's and the tests' state never mixes with a developer's own
export DAGSTER_DISABLE_TELEMETRY := 1
export GX_ANALYTICS_ENABLED := false
PEOPLE ?= 20000

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-slow up lint format bench keys lock clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

venv: .venv/.ready

# The lock is complete and hashed, so nothing is resolved here: --no-deps takes exactly what it lists.
.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || \
	  { echo "citylake needs Python 3.11 to 3.14: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "python3 has no venv module here: apt-get install python3-venv"; exit 1; }
	@echo "installing what requirements.lock lists (once, about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: venv  ## build the synthetic city end to end (PEOPLE=20000), and say what to look at next
	@$(BIN)/citylake demo --people $(PEOPLE)

test: venv  ## formatter, linter, types, import directions, and the tests (under 10 minutes)
	@$(MAKE) --no-print-directory lint
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

test-slow: venv  ## the tests behind the slow marker (CI runs them too)
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m slow

up: venv  ## gateway, Dagster webserver and daemon on loopback; Ctrl-C stops all
	@$(BIN)/citylake up

lint: venv  ## ruff, mypy, import-linter
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: venv  ## let ruff mend what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

# Peers to measure against have an environment of their own: what they need may contradict what citylake needs.
.venv-bench/.ready: requirements-bench.lock
	@$(PYTHON) -m venv .venv-bench
	@echo "installing what requirements-bench.lock lists ..."
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

bench: venv .venv-bench/.ready  ## all benchmarks, or one: make bench ONLY=push
	@$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY))

keys: venv  ## renew the list of asset keys that a test holds, after a wanted change
	@$(BIN)/python -m tests.pipelines.test_definitions

lock:  ## resolve pyproject.toml anew into the two locks (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet \
	  pyproject.toml --extra dev -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet \
	  --group bench -o requirements-bench.lock

clean:  ## remove the demo's state; never the virtual environment
	rm -rf .citylake .bench
