# Needs Python >= 3.11 with pip, and make; `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# The first Python that is new enough; name another with PYTHON=/path/to/python3.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& command -v "$$p" && break; done)
# Without an NVIDIA driver torch's CPU build is taken; for another build name an index
# of PyTorch's: make setup TORCH_INDEX=URL
BIN := .venv/bin
STAMP := .venv/.stamp
# Options of one test run, for example: make test ARGS="tests/nn -x"
ARGS ?=
# The values of one sweep, for example: make sweep SWEEP="data=synthetic K=1,3"
SWEEP ?= data=synthetic model=micrec K=0,3 gamma=0,1 seed=0,1

.PHONY: help setup ext reproduce sweep test fuzz check lint types layers bench report clean

help:  ## list the targets
	@awk -F ':.*  ## ' '/^[a-z]+:.*  ## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

setup: $(STAMP)  ## make .venv with the tested versions (pyproject.toml, constraints.txt)
	@echo "$(BIN) is ready"

$(STAMP): pyproject.toml constraints.txt scripts/setup.py
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	echo "Python >= 3.11 is needed, and $(if $(PYTHON),$(PYTHON) is not one,none was found);" \
	"name one: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" scripts/setup.py install
	@touch $@

ext: $(STAMP)  ## build torch-scatter and torch-sparse once, or use wheels at hand
	@$(BIN)/python scripts/setup.py ext

reproduce: $(STAMP)  ## train and evaluate MICRec, baselines and ablations on real data
	@$(BIN)/micrec reproduce $(ARGS)

sweep: $(STAMP)  ## train over a grid of K, gamma and seed (SWEEP="...")
	@$(BIN)/micrec train -m $(SWEEP)

# Every process of the tests would compile the package anew.
test fuzz: export PYTHONDONTWRITEBYTECODE =

test: $(STAMP)  ## run the tests (ARGS="tests/nn -x")
	@$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist worksteal $(ARGS)

fuzz: $(STAMP)  ## run the long trials with damaged input (ARGS="tests/storage")
	@$(BIN)/python -m pytest -m fuzz -n logical --maxprocesses 4 --dist worksteal $(ARGS)

check: lint types layers test  ## lint, types, layers and tests: what a change must pass

lint: $(STAMP)  ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP)  ## mypy, strict
	@$(BIN)/mypy

layers: $(STAMP)  ## import-linter: who may import whom
	@$(BIN)/lint-imports --no-logo

bench: $(STAMP)  ## measure speed against peers (ARGS="propagation --json rows.json")
	@$(BIN)/micrec bench $(ARGS)

report: $(STAMP)  ## tables from the runs under outputs/
	@$(BIN)/micrec report $(ARGS)

clean:  ## remove builds and tool caches; keeps .venv, data and outputs
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name .venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
