# Each goal does all its own set-up; a second call repeats nothing.
#   make report     the demo report, from real photographs and real networks
#   make test       everything there is to check          make check-fast   the quick part of it
#   make lab        JupyterLab on notebooks/              make notebooks    run the notebooks again and save their outputs
# PYTHON chooses the interpreter (3.11+); PIP_ARGS is passed to pip (an index, a wheel folder).

PYTHON   ?= python3
PIP_ARGS ?=
VENV     := .venv
BIN      := $(VENV)/bin
RUN      := $(BIN)/python -m
DONE     := $(VENV)/.done
DEMO     := reports/demo
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: report test check check-fast lint unit notebooks-check lab notebooks bench setup browser wheel-check clean help

help:
	@sed -n '2,5s/^# *//p' Makefile

report: $(DONE)-package $(DONE)-assets
	$(BIN)/workbench report --out $(DEMO)

lab: $(DONE)-lab $(DONE)-assets
	$(BIN)/jupyter lab notebooks

test: setup
	@$(MAKE) --no-print-directory check

setup: $(DONE)-dev $(DONE)-assets browser

check: $(DONE)-dev lint unit notebooks-check

lint: $(DONE)-dev
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(BIN)/lint-imports

unit: $(DONE)-dev
	OMP_NUM_THREADS=1 $(RUN) pytest -n $${WORKERS:-2} --dist loadscope tests

check-fast: $(DONE)-dev lint
	OMP_NUM_THREADS=1 $(RUN) pytest -n $${WORKERS:-2} --dist loadscope -m "not slow and not browser" tests

notebooks-check: $(DONE)-dev
	GOMP_SPINCOUNT=1000 $(RUN) pytest -p no:cacheprovider -p no:xdist --nbval --nbval-current-env \
	    --nbval-sanitize-with notebooks/sanitize.cfg --nbval-cell-timeout 600 notebooks

notebooks: $(DONE)-dev $(DONE)-assets
	GOMP_SPINCOUNT=1000 $(BIN)/python notebooks/execute.py

bench: $(DONE)-dev
	for script in benchmarks/*.py; do OMP_NUM_THREADS=1 $(BIN)/python $$script; done

wheel-check: $(DONE)-dev
	PIP_ARGS="$(PIP_ARGS)" $(BIN)/python tests/packaging/check_wheel.py

# Libraries and a browser that pip cannot install: taken from the system's packages where that can be done.
browser:
	@sh tools/system_packages.sh --browser

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "FACS Workbench needs Python 3.11 or newer; choose one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(DONE)-package: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(RUN) pip install -q $(PIP_ARGS) -c constraints.txt -e .
	@touch $@

$(DONE)-lab: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(RUN) pip install -q $(PIP_ARGS) -c constraints.txt -e '.[notebook,zarr]'
	@touch $@ $(DONE)-package

$(DONE)-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(RUN) pip install -q $(PIP_ARGS) -c constraints.txt -e '.[dev]'
	@touch $@ $(DONE)-package $(DONE)-lab

$(DONE)-assets: workbench/assets.toml | $(DONE)-package
	@sh tools/system_packages.sh
	$(BIN)/workbench fetch --demo
	@touch $@

clean:
	rm -rf $(VENV) build dist reports .mypy_cache .ruff_cache .pytest_cache
