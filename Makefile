# Everything a person types here. All work is done by Python, which copes with spaces in paths:
#   FINOPS_HOME  where var/ lives (default: this directory)      PORT  default 8000
#   HOST         what to bind (default 127.0.0.1)                PYTHON  which python3 makes .venv
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
BOOTSTRAP := "$(PYTHON)" finops_platform/embedded/bootstrap.py
BIN := .venv/bin
EMBEDDED := -m finops_platform.embedded
PYTEST_ARGS ?= -n 2
FOCUS_PYTHON ?= python3.12

.PHONY: help run serve services stop status test check lint bench clean lock schema focus-validator setup setup-dev

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 12

run: ## the platform with the demo on :8000, until Ctrl-C
	@exec $(BOOTSTRAP) $(EMBEDDED) run

serve: ## the platform without the demo, until Ctrl-C
	@exec $(BOOTSTRAP) $(EMBEDDED) serve

services: ## only PostgreSQL and Valkey, in the background
	@exec $(BOOTSTRAP) $(EMBEDDED) start

stop: ## everything of this copy that runs
	@test ! -x $(BIN)/python || exec $(BIN)/python $(EMBEDDED) stop

status: ## what of this copy runs
	@exec $(BOOTSTRAP) $(EMBEDDED) status

setup: ## .venv and the system libraries, nothing else
	@exec $(BOOTSTRAP)

setup-dev:
	@exec $(BOOTSTRAP) --dev

test: setup-dev ## all tests, on servers of their own
	@exec $(BIN)/python -m pytest $(PYTEST_ARGS)

lint: setup-dev ## the static half of check
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy .
	@$(BIN)/lint-imports
	@$(BIN)/python manage.py makemigrations --check --dry-run

check: lint test ## exactly what CI does

schema: setup-dev ## write docs/openapi.yaml anew
	@exec $(BIN)/python manage.py spectacular --urlconf finops_platform.urls_tenant --validate --file docs/openapi.yaml

bench: setup-dev ## the benchmarks, as ratios, on servers of their own
	@exec $(BIN)/python $(EMBEDDED) temporary -- $(BIN)/python -m benchmarks

focus-validator: setup-dev ## FOCUS's own validator over our 1.2 files; FOCUS_PYTHON is 3.12 or newer
	@test -x .venv-focus/bin/focus-validator || { "$(FOCUS_PYTHON)" -m venv .venv-focus && .venv-focus/bin/python -m pip install --quiet "focus-validator==2.2.1" "pyarrow<22"; }
	@FOCUS_VALIDATOR="$(CURDIR)/.venv-focus/bin/focus-validator" $(BIN)/python -m pytest tests/chargeback/test_focus_validator.py -q

clean: ## stop, then delete var/ with all data, and the caches
	@test ! -x $(BIN)/python || $(BIN)/python $(EMBEDDED) destroy
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache htmlcov .coverage .coverage.* staticfiles
	@find . -name __pycache__ -not -path './.venv/*' -not -path '*/node_modules/*' -type d -prune -exec rm -rf {} +

lock: setup-dev ## compile the requirements anew, with hashes
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" requirements.in -o requirements.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" requirements-dev.in -o requirements-dev.txt
