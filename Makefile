# Two commands matter: `make run` plans a trip with a real model, `make test` runs every test. Both set up what they need.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3.11
SCENARIO ?= scenarios/travel/beijing_family.yaml
# More options for `make run`, such as ARGS='--engine local --set limits.rounds=3'.
ARGS ?=
CODE := repertory scenarios agents tools memory serving runtime tests bench
VENV := .venv
BIN := $(VENV)/bin
SET := $(shell nvidia-smi -L 2>/dev/null | grep -q '^GPU' && echo gpu || echo cpu)
STAMP := $(VENV)/installed-$(SET)
PINS := requirements/$(SET).txt requirements/bootstrap.txt

# Where nothing may be written beside the code, each of the many processes compiles all that it imports again.
unexport PYTHONDONTWRITEBYTECODE

# pip and uv are told of wheels lying on this machine by different names.
ifdef PIP_FIND_LINKS
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
endif
ifdef PIP_CERT
export SSL_CERT_FILE ?= $(PIP_CERT)
endif

.PHONY: help env run test check unit nightly lint mypy pyright imports format lock clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-8s %s\n", $$1, $$2}'

env: $(STAMP) ## Make the environment in .venv (takes no time when it is there)
	@:

$(STAMP): $(PINS) pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo 'Found no $(PYTHON); Repertory needs Python 3.11. Name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11' >&2; exit 2; }
	@echo 'environment: making $(VENV) ($(SET); some 4 GB, the first time minutes)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo 'Found $(VENV) of another Python, expected 3.11; `make clean` removes it' >&2; exit 2; }
	@test -x $(BIN)/uv || $(BIN)/python -m pip install -qq -r requirements/bootstrap.txt
	@$(BIN)/uv pip install -p $(BIN)/python -r requirements/$(SET).txt -r requirements/bootstrap.txt \
	  --override requirements/$(SET).overrides.txt
	@$(BIN)/uv pip install -p $(BIN)/python --quiet --no-deps --editable .
	@rm -f $(VENV)/installed-* && touch $@

run: env ## Plan the family's trip: model, Ray, vLLM and the team, then the plan
	@$(BIN)/repertory run $(SCENARIO) $(ARGS)

test: env check ## Run all checks and every test, with PostgreSQL, Ray and the real model
	$(BIN)/pytest -m postgres -n 2
	$(BIN)/pytest -m conformance -n 2
	$(BIN)/pytest -m "slow and not ray" -n auto --dist worksteal
	$(BIN)/pytest -m ray -n 2 --dist loadfile
	$(BIN)/pytest -m model --timeout 1800

check: env ## Run the checks that need neither Ray nor a model
	@$(MAKE) --no-print-directory -j 2 --output-sync=target lint mypy pyright imports
	@$(MAKE) --no-print-directory unit

lint:
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)

mypy:
	$(BIN)/mypy

pyright:
	$(BIN)/basedpyright --level error

imports:
	$(BIN)/lint-imports

unit:
	$(BIN)/pytest -n auto

nightly: env ## Run the property tests of the runtime with 10,000 examples each instead of 200 (an hour or more)
	HYPOTHESIS_PROFILE=nightly $(BIN)/pytest -m hypothesis -n auto --timeout 0 --durations 0 tests/runtime

format: env ## Format the code
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

lock: env ## Pin the newest versions that pyproject.toml allows
	@for set in cpu gpu; do \
	  echo "lock: requirements/$$set.txt"; \
	  $(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --no-annotate --custom-compile-command 'make lock' \
	    --extra $$set --extra dev --override requirements/$$set.overrides.txt -o requirements/$$set.txt pyproject.toml; \
	  sed -i 's/^\(torch==[0-9.]*\)+cpu$$/\1/' requirements/$$set.txt; \
	done

clean: ## Remove the environment, caches and results (models and runs in ~/.repertory stay)
	rm -rf $(VENV) out .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
