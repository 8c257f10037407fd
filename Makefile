# Each target does everything on a machine that has only Python 3.11, pip, gcc and make.
SHELL := /bin/bash
PYTHON ?= $(firstword $(shell command -v python3.11 python3))
VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/demo
# Two torch threads on a busy machine cost many times more than they bring; animals run as processes.
export OMP_NUM_THREADS := 1

.PHONY: venv demo test chromium table

venv: $(VENV)/installed

# The stamp is written last, so an interrupted install is taken up again.
$(VENV)/installed: setup.cfg constraints.txt
	$(PYTHON) -m venv $(VENV)
	# torch first and alone, with its exact version: an unpinned one pulls several GB of CUDA
	$(BIN)/pip install "$$(grep '^torch==' constraints.txt)"
	$(BIN)/pip install --constraint constraints.txt --editable ".[dev]"
	$(BIN)/pip check
	touch $@

demo: venv
	$(BIN)/pfc-da run monkey_juice --animals 4 --seed 0 --out $(DEMO)
	@echo "report: $(DEMO)/report.html"

test: venv chromium
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy -p pfc_da
	$(BIN)/pytest -n 2 --dist loadfile  # a file on one worker: its shared runs are made once

# The report is tested in a browser; without one those tests are skipped and say so.
chromium:
	@if command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  (apt-get update -q && apt-get install -q -y --no-install-recommends chromium) >/dev/null 2>&1 \
	  || echo "chromium could not be installed by apt-get: the browser tests will be skipped"; \
	else echo "no chromium here, and only root with apt-get can install it: the browser tests will be skipped"; fi

# The table and the figure of the README, from the demo.
table: demo
	$(BIN)/python benchmarks/readme_table.py $(DEMO)
