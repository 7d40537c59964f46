# `make demo` shows the rotator at work; `make test` checks everything. Both set up what they need.
.DEFAULT_GOAL := help
.PHONY: help setup demo chaos soak simulate model mutants bench test lint unit lock clean

# The first of these that runs: a version manager's shim may be on the path and still answer "not installed".
PYTHON ?= $(shell for p in python3.11 python3.12 python3; do $$p -c '' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
DEMO_SECONDS ?= 60
ARGS ?=

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

setup: ## the virtual environment, installed from requirements.lock
	@$(PYTHON) deploy/setup_venv.py $(VENV)

demo: setup ## the whole system for a minute on embedded servers (DEMO_SECONDS=60)
	@$(BIN)/python -m sandbox.demo --seconds $(DEMO_SECONDS) $(ARGS)

chaos: setup ## every remote call of a rotation struck in every way (ARGS="--quick", "--cell ID", "--subject both")
	@$(BIN)/python -m sandbox.chaos $(ARGS)

soak: setup ## ten minutes in which something is killed, stopped, sealed, emptied or cut every few seconds
	@$(BIN)/python -m sandbox.soak $(ARGS)

simulate: setup ## a year of 208 credentials in virtual time (ARGS="--seed 2", "--days 60", "--picture FILE.svg")
	@$(BIN)/python -m sandbox.simulation $(ARGS)

model: setup ## the real engine under a scheduler that strikes any call (ARGS="--examples 20000 --from 0", "--seed N")
	@$(BIN)/python -m tests.model $(ARGS)

mutants: setup ## each rule taken out in a copy: which suite turns red (ARGS="--list", "grace cap")
	@$(BIN)/python -m tests.mutants $(ARGS)

bench: setup ## what things cost, as ratios within one run
	@$(BIN)/python -m bench.planning $(ARGS) && $(BIN)/python -m bench.startup

lint: setup ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

test: lint ## every check and every test, against real servers
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

unit: setup ## the tests that start no server
	@$(BIN)/python -m pytest tests/unit $(ARGS)

lock: setup ## make the lock files anew (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header --extra dev pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header -c requirements.lock pyproject.toml -o deploy/requirements-runtime.lock

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
