# Every target sets up what it needs; a fresh machine needs only Python 3.11+, pip and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS ?=

.PHONY: run test check fix bench faults fuzz docs lock clean help

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/  /'

$(VENV)/.run: requirements/run.lock requirements/build.lock pyproject.toml
	@test -x $(BIN)/python || { echo "setting up $(VENV) ..."; $(PYTHON) -m venv $(VENV); }
	@$(PIP) install --require-hashes -r requirements/run.lock -r requirements/build.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.run
	@echo "installing what tests and checks need ..."
	@$(PIP) install --require-hashes -r requirements/dev.lock
	@touch $@

run: $(VENV)/.run ## set up and serve (ARGS="--port 0" passes options to `pointsman serve`)
	@exec $(BIN)/pointsman serve $(ARGS)

test: $(VENV)/.dev ## run every test (ARGS="-k name" narrows)
	@$(BIN)/python -m pytest -n auto $(ARGS)

check: $(VENV)/.dev ## lint, format, types, import contracts
	@$(BIN)/ruff check src tests
	@$(BIN)/ruff format --check src tests
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fix: $(VENV)/.dev ## format and apply safe lint fixes
	@$(BIN)/ruff check --fix src tests
	@$(BIN)/ruff format src tests

bench: $(VENV)/.dev ## CPU per request and per event, beside nginx in the same run
	@$(BIN)/python -m tests.bench $(ARGS)

faults: $(VENV)/.dev ## play every fault, measure the promises, write docs/reliability.md (ARGS="--soak 3600")
	@$(BIN)/python -m tests.faults $(ARGS)

fuzz: $(VENV)/.dev ## a million inputs for what reads bytes of strangers (ARGS="--inputs N --target sse --seed N")
	@$(BIN)/python -m tests.fuzz $(ARGS)

docs: $(VENV)/.dev ## write the pages of docs/reference that are made from the code
	@$(BIN)/python -m tests.reference

lock: ## pin everything anew (needs uv)
	@cd requirements && for f in run build dev; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate $$f.in -o $$f.lock; done

clean: ## remove the virtual environment and caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
