# Everything a user or a developer runs. `make help` lists it.
# Variables to set on the command line:
#   PYTHON       the Python that makes .venv (3.11 or newer; found by itself if unset)
#   TORCH_INDEX  a package index for torch alone, for instance https://download.pytorch.org/whl/cpu (small, no GPU)
#                or https://download.pytorch.org/whl/cu130 (CUDA 13.0). Unset: your usual index.
#   CONFIG       the search that `make train-agent` runs: a YAML file or a preset      ARGS  more words for the command
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
TORCH := torch==2.13.0
TORCH_INDEX ?=
CONFIG ?= configs/digits.yaml
ARGS ?=
# What `make test-portable` runs, and the settings under which it does: one variable each.
NUMERICAL := tests/aen/nn tests/aen/children tests/aen/training
SETTINGS := ATEN_CPU_CAPABILITY=default ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=SSE41 MKL_CBWR=COMPATIBLE \
  AEN_TEST_THREADS=1 AEN_TEST_THREADS=2
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: help setup setup-dev train-agent train-transfer serve test test-all test-portable lint format bench bench-agents bench-real-run bench-scale bench-service bench-tables bench-verdict torture clean docs docker

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## make .venv and install aen in it (once)

setup-dev: $(VENV)/.installed-dev ## the same with what the tests and linters need

train-agent: setup ## search for the symmetries of a data set: CONFIG=digits ARGS='seed=1'
	$(BIN)/aen search $(CONFIG) $(ARGS)

train-transfer: setup ## train the Q-network of dqn_transfer that the package has (about 20 minutes)
	$(BIN)/aen bench transfer --out agents/aen_agents/agents/transfer/policy.safetensors $(ARGS)

serve: setup ## serve searches over HTTP, with a page: ARGS='--parallel 2'
	$(BIN)/aen serve $(ARGS)

test: setup-dev lint ## lint, types and the fast tests
	$(BIN)/python -m pytest -m 'not slow' -n auto $(ARGS)

test-all: setup-dev lint ## lint, types and every test, slow ones too
	$(BIN)/python -m pytest -n auto $(ARGS)

test-portable: setup-dev ## the numerical tests as other processors compute (about 10 minutes)
	@failed=; \
	for setting in $(SETTINGS); do \
	  echo "== $$setting"; \
	  env OMP_WAIT_POLICY=passive $$setting $(BIN)/python -m pytest $(NUMERICAL) -m 'not slow' -n auto -q $(ARGS) \
	    || failed="$$failed $$setting"; \
	done; \
	if [ -n "$$failed" ]; then echo "Failed under:$$failed" >&2; exit 1; fi; \
	echo "Passed under: $(SETTINGS)"

lint: setup-dev ## ruff, mypy --strict, import-linter
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup-dev ## let ruff rewrite the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## measure everything in benchmarks/ beside its yardstick
	for b in $(filter-out %/bench_agents.py %/bench_transfer.py %/bench_real_run.py %/bench_scale.py %/bench_verdict.py %/bench_service.py,$(wildcard benchmarks/bench_*.py)); do $(BIN)/python $$b; done

bench-agents: setup ## compare agents on the tables, beside their yardsticks: ARGS='--part held-out'
	$(BIN)/python benchmarks/bench_agents.py $(ARGS)

bench-real-run: setup ## seconds to a verdict on Fashion-MNIST beside training every class (about 20 minutes; needs AEN_DATA)
	$(BIN)/python benchmarks/bench_real_run.py $(ARGS)

bench-scale: setup ## measure search at scale: Ray, 64 simulated workers, 100,000 results (about 15 minutes)
	$(BIN)/python benchmarks/bench_scale.py $(ARGS)

bench-service: setup ## measure the service with 1,000 runs, two searches training and 200 watchers (about 5 minutes)
	$(BIN)/python benchmarks/bench_service.py $(ARGS)

bench-tables: setup ## build all benchmark tables and put them into the package (about 2 hours on two cores; needs AEN_DATA)
	$(BIN)/aen bench build digits products layerwise gmnist gfashion gcnn --out build/tables $(ARGS)
	mkdir -p aen/bench/tables && cp build/tables/*.parquet build/tables/manifest.json aen/bench/tables/

bench-verdict: setup ## measure how often the verdict of the default search is right, on 20 data sets (about 2 hours)
	$(BIN)/python benchmarks/bench_verdict.py $(ARGS)

torture: setup-dev ## cut the power, fail every input and output, kill, damage and fuzz searches (docs/reliability.md)
	@failed=; \
	for t in power_cuts io_faults kills service_kills damaged_files fuzz; do \
	  echo "== $$t"; $(BIN)/python tests/torture/$$t.py $(ARGS) || failed="$$failed $$t"; \
	done; \
	if [ -n "$$failed" ]; then echo "Failed:$$failed" >&2; exit 1; fi

docs: setup-dev ## build the documentation as a site, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

docker: ## build the image for CPUs
	docker build -f docker/Dockerfile -t aen:0.1.0 .

clean: ## remove .venv and caches; runs/ stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist

$(BIN)/python:
	@found='$(PYTHON)'; \
	if [ -z "$$found" ]; then \
	  for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	    if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then found=$$p; break; fi; \
	  done; \
	fi; \
	if [ -z "$$found" ] || ! $$found -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	  echo "aen needs Python 3.11 or newer, and $${found:-python3} is $$($${found:-python3} --version 2>&1 || echo 'not found')." >&2; \
	  echo "Install one and name it: make $(firstword $(MAKECMDGOALS)) PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	echo "Making $(VENV) with $$($$found --version)"; $$found -m venv $(VENV)

# torch comes first and with its own requirements, so that only pip's usual index decides which build it is;
# a TORCH_INDEX that does not answer is given up after a few seconds.
$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing torch and $$(grep -c '==' requirements.lock) packages into $(VENV) (a few minutes, once)"
	@if [ -n "$(TORCH_INDEX)" ]; then \
	  $(PIP) --timeout 15 --retries 1 --index-url "$(TORCH_INDEX)" "$(TORCH)" \
	  || { echo "$(TORCH_INDEX) gave no $(TORCH); taking it from the usual index." >&2; $(PIP) "$(TORCH)"; }; \
	else $(PIP) "$(TORCH)"; fi
	@$(PIP) --no-deps -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@$(PIP) --no-deps -r requirements-dev.lock
	@touch $@
