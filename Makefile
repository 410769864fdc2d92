# make demo      installs what is needed, fetches the embedded model, runs the demo
# make test      installs what is needed, runs the tests
# make test-gpu  the tests that need an NVIDIA GPU
# make check     formatting, lint, types, import rules
# make bench     measures, an hour on 2 cores; make bench QUICK=1 only tries all of them
# make bench-gpu  all that needs a GPU: its tests and figures, half an hour; MINUTES=14 does the first of it

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-gpu check bench bench-gpu install clean

demo: $(VENV)/.installed
	@$(BIN)/qrtui demo; ended=$$?; echo "qrtui is here: $(BIN)/qrtui   (or: . $(BIN)/activate)"; exit $$ended

test: $(VENV)/.installed-dev
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

test-gpu: $(VENV)/.installed-dev
	@$(BIN)/python -m pytest tests/gpu -m gpu -vv -ra --durations=8 -o faulthandler_timeout=60

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-dev
	@for bench in benchmarks/*.py; do \
		quick=$$(test -n "$(QUICK)" && grep -o -m1 -e --quick $$bench); \
		echo "== $$bench $$quick"; $(BIN)/python $$bench $$quick || exit 1; \
	done

bench-gpu: $(VENV)/.installed-dev
	@$(BIN)/python benchmarks/on_gpu.py --minutes $(or $(MINUTES),30)

install: $(VENV)/.installed

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "qrtui needs Python 3.11 or newer: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "installing qrtui into $(VENV) (torch alone is large; this takes a few minutes the first time)"
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

clean:
	rm -rf $(VENV) dist build *.egg-info
