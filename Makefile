# The two commands: `make demo` and `make test`. Both set up a virtual environment of their own first. pip leaves bytecode
# to the first import: most modules of torch and transformers are never imported, and compiling them took half the set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test lint types pytest clean

demo: $(VENV)/.installed
	$(BIN)/janiform demo --out demo

test: lint types pytest

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

# Type checkers do not follow the mapping of folders to package names, so mypy sees an ordinary install's layout.
types: $(VENV)/.tested
	$(BIN)/python tests/check_types.py

# A process for each core. One that is done takes over tests of the busiest.
pytest: $(VENV)/.tested
	$(BIN)/python -m pytest -m "not slow and not gpu" --numprocesses=logical --maxprocesses=8 --dist=worksteal

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml setup.py constraints.txt
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable .
	touch $@

$(VENV)/.tested: $(VENV)/bin/python pyproject.toml setup.py constraints.txt
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable '.[test]'
	touch $(VENV)/.installed $@

clean:
	rm -rf $(VENV) build dist demo *.egg-info
