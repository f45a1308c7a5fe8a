# fin_kedro's commands; `make` alone lists them. Every one that needs .venv builds it first.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run test check format lab lock bench clean environment
MAKEFLAGS += --no-print-directory

# nothing phones home; hashing of strings is the same in every process
export DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true
export KEDRO_DISABLE_TELEMETRY := 1
export BENTOML_DO_NOT_TRACK := True
export ORT_DISABLE_TELEMETRY := 1
export PYTHONHASHSEED := 0
# BLAS sums in one order; CatBoost takes its own thread_count from conf, so OMP is left alone
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1

BIN := .venv/bin
supported = import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
# the newest that starts; a version manager's shim may be there and still not run
find-python = for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c '$(supported)' >/dev/null 2>&1 && { echo $$p; break; }; done
chosen := $(if $(filter command environment,$(firstword $(origin PYTHON))),--chosen)
PYTHON ?= $(shell $(find-python))

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

environment:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Error: no Python 3.11, 3.12 or 3.13 found (tried python3.13, python3.12, python3.11," \
		"python3). Next: install one, or name it: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; fi
	@if ! $(PYTHON) -c '$(supported)' >/dev/null 2>&1; then \
		echo "Error: $(PYTHON) is not a Python 3.11, 3.12 or 3.13. Next: name one that is:" \
		"make PYTHON=python3.12 ..." >&2; exit 1; fi
	@$(PYTHON) .ci/environment.py $(chosen)

run: environment ## train, explain and validate both models, credit and fraud (kedro run)
	@$(BIN)/kedro run

# three on two cores: most of the long tests start commands and wait for them
test: environment ## every test, and every notebook's examples; FAST=1: what your change can reach
	@$(BIN)/python -m pytest tests -n 3 --dist loadfile --no-loadscope-reorder $(if $(FAST),-p tests.fast)

check: environment ## style, types, layers, shape, notebooks in sync, licences, no host or path
	@$(BIN)/python .ci/check.py

format: environment ## format hand-written modules and notebooks, then export the notebooks
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .
	@$(BIN)/python -m fin_kedro.cli.notebooks clean
	@$(BIN)/python -m fin_kedro.cli.notebooks export

lab: environment ## JupyterLab with the Kedro catalog, context, session and pipelines at hand
	@$(BIN)/jupyter lab --config=notebooks/.lab/jupyter_lab_config.py

lock: environment ## write requirements.lock anew from pyproject.toml
	@$(PYTHON) .ci/environment.py --lock

bench: environment ## the benchmarks under tests/benchmarks
	@$(BIN)/python -m pytest tests/benchmarks -q -s -n 0 -o python_files="bench_*.py" -o python_functions="bench_*"

clean: ## remove .venv, caches and everything a run made; never data/01_raw or the ledger
	@.ci/clean
