# Every target sets up what it needs; a fresh machine needs only Python 3.11+, pip and make.
# Which Python the environment is made of; none: the fastest that is here.
PYTHON ?=
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS ?=
# Byte code is kept whatever the caller's environment says: every process of a gateway, and every worker of the tests,
# would compile the whole source anew.
unexport PYTHONDONTWRITEBYTECODE
# The data plane's core: run compiled with all the others, and once more in pure Python.
BOTH := tests/resilience tests/wire/test_sse.py tests/wire/test_splice.py tests/gateway/test_lane.py tests/gateway/test_across_lane.py \
  tests/gateway/test_server.py tests/gateway/test_streams.py tests/gateway/test_judge.py tests/gateway/test_one_verdict.py

.PHONY: run test check fix bench faults nodes fuzz docs site prices lock clean help

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/  /'

$(VENV)/.run: requirements/run.lock requirements/build.lock pyproject.toml
	@$(or $(PYTHON),python3) set_up.py --python "$(PYTHON)" $(VENV) requirements/run.lock requirements/build.lock
	@[ -n "$$POINTSMAN_PURE" ] || echo "compiling what each request runs through, once, where a compiler is here: about 5 minutes of CPU (POINTSMAN_PURE=1: without) ..."
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.run
	@echo "installing what tests and checks need ..."
	@$(PIP) install --require-hashes -r requirements/dev.lock
	@touch $@

# What has been built from other sources since is built anew; without a compiler this says so in one line.
.PHONY: native
native: $(VENV)/.run
	@$(BIN)/python hatch_build.py

run: $(VENV)/.run native ## set up and serve (ARGS="--port 0" passes options to `pointsman serve`)
	@$(BIN)/python -m pointsman.interpreter
	@exec $(BIN)/pointsman serve $(ARGS)

test: $(VENV)/.dev native ## run every test, the data plane's also in pure Python (ARGS="-k name" narrows)
	@$(BIN)/python -m tests.web.chrome
	@$(BIN)/python -m tests.suite -n auto --dist worksteal $(ARGS)
	@POINTSMAN_PURE=1 $(BIN)/python -m tests.suite -n auto $(BOTH) $(ARGS); code=$$?; [ $$code -eq 5 ] || exit $$code

check: $(VENV)/.dev ## lint, format, types, import contracts
	@$(BIN)/ruff check src tests
	@$(BIN)/ruff format --check src tests
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fix: $(VENV)/.dev ## format and apply safe lint fixes
	@$(BIN)/ruff check --fix src tests
	@$(BIN)/ruff format src tests

bench: $(VENV)/.dev native ## CPU per request and per event, beside nginx in the same run
	@$(BIN)/python -m tests.bench $(ARGS)

faults: $(VENV)/.dev native ## play every fault, measure the promises, write docs/reliability.md (ARGS="--soak 3600")
	@$(BIN)/python -m tests.faults $(ARGS)

nodes: $(VENV)/.dev native ## play what may happen to three nodes, write docs/nodes-rehearsed.md (ARGS="--only cut --outage 10"; Linux, root)
	@$(BIN)/python -m tests.bench.tools initdb nginx nft ip
	@$(BIN)/python -m tests.nodes $(ARGS)

fuzz: $(VENV)/.dev native ## a million inputs for what reads bytes of strangers (ARGS="--inputs N --target sse --seed N")
	@$(BIN)/python -m tests.fuzz $(ARGS)

docs: $(VENV)/.dev ## write the pages of docs/reference that are made from the code
	@$(BIN)/python -m tests.reference

$(VENV)-site/.site: requirements/site.lock
	@$(or $(PYTHON),python3) set_up.py --python "$(PYTHON)" $(VENV)-site requirements/site.lock
	@touch $@

site: $(VENV)-site/.site ## build docs/ as a site in build/site; a link or an anchor that leads nowhere is an error
	@rm -rf build/site
	@$(VENV)-site/bin/sphinx-build --quiet --fail-on-warning --keep-going -b html -c docs -d build/doctrees . build/site
	@echo "build/site/index.html"

prices: $(VENV)/.dev ## make the list of prices anew from genai-prices (ARGS=day: when that was kept last)
	@dir=$$(mktemp -d) && $(PIP) install --target $$dir genai-prices==0.2.3 \
	  && $(BIN)/python -m tests.reference.list_prices $(ARGS) $$dir; rm -rf $$dir

lock: ## pin everything anew (needs uv)
	@cd requirements && for f in run build dev mlx llama otel postgres site; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate $$f.in -o $$f.lock; done

clean: ## remove the virtual environment and caches
	@rm -rf $(VENV) $(VENV)-site build src/pointsman/_native .mypy_cache .ruff_cache .pytest_cache .hypothesis
