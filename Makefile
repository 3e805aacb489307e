# Everything a newcomer needs: `make run` and `make test`. Both prepare .venv themselves.
PYTHON ?= python3
ARGS ?=

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif

.DEFAULT_GOAL := help
.PHONY: help setup run flash test lint format bench lock clean prepare-run prepare-dev prepare-setup

help:  ## what can be made
	@echo "make run     start Counterhub with a virtual hub and open a counter to play with; ARGS=… are passed on"
	@echo "make flash   make a board on USB a hub; ARGS=\"--name counter-3\" are passed on"
	@echo "make test    the whole test suite; ARGS=\"-k drawer\" runs a part of it"
	@echo "make lint    formatting, ruff, types, and the rules of this repository"
	@echo "make setup   only prepare .venv, for running and for development"
	@echo "make bench   measurements"
	@echo "make soak    SEEDS=100000 more days of the link's simulation, over all cores"
	@echo "make lock    resolve the dependencies anew"
	@echo "make clean   remove .venv and everything that was made"
	@echo
	@echo "PYTHON=python3.12 chooses the Python (3.11 or newer)."

setup: prepare-dev
	@$(BIN)/python -m host_bridge.virtual.micropython_vm

prepare-run prepare-dev prepare-setup: prepare-%:
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "error: no '$(PYTHON)' here. Install Python 3.11 or newer, or name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) tools/prepare.py $*

run: prepare-run
	@exec $(BIN)/counterhub run --virtual $(ARGS)

flash: prepare-setup
	@exec $(BIN)/counterhub flash $(ARGS)

# Three at a time: on two cores half of what a test does is wait, for a printer's line or a watchdog. A file stays in one
# process, since its tests share what they start; a named part is so small that the processes would cost more.
SPREAD = $(if $(ARGS),,--numprocesses=3 --dist=loadfile --no-loadscope-reorder)

test: prepare-dev
	@$(BIN)/python tools/timed.py "test suite" $(BIN)/python -m pytest $(SPREAD) $(ARGS)

soak: prepare-dev
	@$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),100000) $(ARGS)

lint: prepare-dev
	@$(BIN)/python tools/timed.py "formatting" $(BIN)/ruff format --check .
	@$(BIN)/python tools/timed.py "ruff" $(BIN)/ruff check .
	@$(BIN)/python tools/timed.py "types" $(BIN)/mypy
	@$(BIN)/python tools/timed.py "rules of this repository" $(BIN)/python -m pytest -q --no-header tests/checks

format: prepare-dev
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: prepare-dev
	@$(BIN)/python tools/timed.py "measurements" $(BIN)/python -m tests.benchmarks $(ARGS)

lock:
	@$(PYTHON) tools/prepare.py dev
	@tools/lock.sh

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .counterhub *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
