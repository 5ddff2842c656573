# `make help` lists what there is to make.
SHELL := /bin/bash
PYTHON := .venv/bin/python
CODE := deidentification services shared cli tests benchmarks scripts
# A gateway is a dozen processes: where modules may not be kept compiled, each of them compiles all anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo run check quick test chaos bench audit locks format clean

help: ## What there is to make
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

build/.runtime: requirements.lock pyproject.toml scripts/setup-venv.sh
	@scripts/setup-venv.sh requirements.lock
	@mkdir -p build && touch $@

build/.develop: build/.runtime requirements-dev.lock
	@scripts/setup-venv.sh requirements-dev.lock
	@touch $@

build/.bench: build/.develop requirements-bench.lock
	@scripts/setup-venv.sh requirements-bench.lock
	@touch $@

setup: build/.develop ## The environment in .venv, with the tools of development

demo: build/.runtime ## Start the whole gateway, push real DICOM through it, show what came out
	@$(PYTHON) -m cli.demo

run: build/.runtime ## The same set-up, serving until Ctrl-C
	@$(PYTHON) -m cli.demo --serve

check: build/.develop ## Style, types, walls, and manifests of Kubernetes
	.venv/bin/ruff check $(CODE)
	.venv/bin/ruff format --check $(CODE)
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PYTHON) -m scripts.validate_manifests

quick: build/.develop ## The quick ones of the unit and contract tests
	$(PYTHON) -m pytest -q -n 3 --dist loadfile -m "not slow" tests/unit tests/contract

test: build/.develop ## Every test, against the real components (installed when root)
	@scripts/install-components.sh
	$(PYTHON) -m pytest -n 3 --dist loadfile --no-loadscope-reorder tests

chaos: build/.develop ## A bad day on real parts: SEED=… (a new one by default), MINUTES=… (5), BESIDE=… (a checkout of before); a report and build/chaos.json
	@scripts/install-components.sh rabbitmq postgres orthanc iproute2
	@$(PYTHON) -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(BESIDE),--beside $(BESIDE)) $(if $(LOSE),--lose $(LOSE))

bench: build/.bench ## Speed beside the peers, as ratios: a table and build/bench.json
	@scripts/install-components.sh rabbitmq postgres orthanc dcmtk gdcm
	@$(PYTHON) -m benchmarks

audit: build/.develop ## Known weaknesses of what the locks name; OSV=PATH: by advisories that were carried in
	@$(PYTHON) -m scripts.audit_dependencies $(if $(OSV),--advisories $(OSV))

locks: ## Write the hashed locks anew from pyproject.toml
	@scripts/lock.sh

format: build/.develop ## Let ruff put everything in order
	.venv/bin/ruff check --fix $(CODE)
	.venv/bin/ruff format $(CODE)

clean: ## Forget the environment and all that was built
	rm -rf .venv build
