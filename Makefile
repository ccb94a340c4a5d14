# `make demo` and `make test` do all set-up: a private environment in .venv with the pinned versions of requirements.lock.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3.14 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# What runs weights on this machine (PyTorch, Transformers): for its tests only. `make test LOCAL=no` goes without, and they skip.
READY_LOCAL := $(VENV)/.ready-local
LOCAL ?= yes

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types unit coverage browser check-docs docs bench lock clean

help:  ## Say what the targets do
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python found; install Python 3.11 or later."; exit 1; }
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(READY_LOCAL): $(READY) requirements-local.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-local.lock
	@touch $@

setup: $(READY)  ## Make the private environment (.venv)

demo: $(READY)  ## Run the main job on an invented survey and leave its results in demo/
	$(BIN)/wvb demo --out demo --force

test: lint types unit check-docs  ## Lint, types, tests, docs

lint: $(READY)  ## Style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)  ## mypy --strict
	$(BIN)/mypy

# Chromium is what tests look at the report with: installed where this is Debian and root, else they skip and say so.
browser:  ## Install Chromium where that can be done, for the tests of the report
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null 2>&1 && \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; }; } || \
	  echo "No Chromium, and it cannot be installed here: tests of the report in a browser will skip."

unit: browser $(if $(filter no,$(LOCAL)),$(READY),$(READY_LOCAL))  ## Tests and doctests
	$(BIN)/pytest -n auto $(PYTEST)

coverage: PYTEST = --cov --cov-report=term
coverage: unit  ## The same with branch coverage, which takes half as long again

check-docs: $(READY)  ## Check that generated docs are current
	$(BIN)/python docs/make_cli_reference.py --check
	$(BIN)/python docs/run_pages.py --check

docs: $(READY) browser  ## Make the generated docs anew: command line, what pages print, pictures
	$(BIN)/python docs/make_cli_reference.py
	$(BIN)/python docs/run_pages.py
	$(BIN)/python docs/make_pictures.py

bench: $(READY)  ## Time ours against plain pandas/SciPy, side by side
	$(BIN)/python -m benchmarks

lock: $(READY_LOCAL)  ## Pin what is installed in .venv: what requirements-local.lock names there, the rest in requirements.lock
	$(BIN)/python -m pip freeze --exclude-editable | grep -v '^worldvaluesbench' | sed 's/+cpu$$//' > .lock
	sed 's/==.*/==/' requirements-local.lock > .lock-local
	grep -F -v -f .lock-local .lock > requirements.lock
	grep -F -f .lock-local .lock > requirements-local.lock
	rm .lock .lock-local

clean:  ## Remove the environment and all that was made
	rm -rf $(VENV) demo bench-data .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis
