# Every task of the project. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PY := .venv/bin/python
PYTEST := $(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder
LOCK := VIRTUAL_ENV=.venv .venv/bin/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header \
  --no-annotate

# Debian packages, by what needs them.
APT_RUN := qemu-system-x86 qemu-utils
APT_BENCH := qemu-utils curl nginx-light
APT_GUEST := busybox-static dosfstools e2fsprogs fdisk mtools syslinux syslinux-common
APT_OPENSTACK := rabbitmq-server qemu-utils
APT_WEB := chromium
APT_TEST := $(APT_RUN) $(APT_BENCH) $(APT_GUEST) $(APT_WEB) ovmf

.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*\#\# .*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## list the tasks
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: ## make .venv and install what the tests need
	@scripts/setup.sh $(APT_TEST)

demo: ## import a sample OVA and boot it: the main job, end to end
	@scripts/setup.sh $(APT_RUN)
	@.venv/bin/thresher demo

SOURCE ?= vcenter
demo-cluster: rig$(if $(filter openstack,$(SOURCE)),-openstack) ## the operator at work: kubectl apply, and a VM runs in a (simulated) Harvester; SOURCE=openstack, too
	@$(PY) -m rig.demo_cluster $(SOURCE)

rig: setup ## build the real parts that tests run against, into the cache
	@$(PY) -m rig

rig-openstack: rig ## the same, and OpenStack's services (700 MB from PyPI, and their databases)
	@scripts/setup.sh $(APT_OPENSTACK)
	@$(PY) -m rig openstack

test: rig ## run every test but those that need OpenStack's services
	@$(PYTEST)

test-openstack: rig-openstack ## import from OpenStack's real services: a quarter of an hour, as a volume has a GiB at least
	@$(PYTEST) tests/openstack

chaos: rig ## CHAOS_FAULTS (200) faults of CHAOS_SEED while imports run (about a quarter of an hour; CHAOS_FLAGS=--json)
	@$(PY) -m rig.chaos $(if $(CHAOS_SEED),--seed $(CHAOS_SEED)) --faults $(or $(CHAOS_FAULTS),200) $(CHAOS_FLAGS)

fuzz: setup ## every fuzz target for FUZZ_SECONDS (60) each
	@scripts/fuzz.sh

bench: rig ## all is measured next to its rivals (40 minutes); BENCH_ROUNDS=3 BENCH_ONLY=convert,... BENCH_SAVE=1: to the docs
	@scripts/setup.sh $(APT_BENCH) $(APT_GUEST)
	@$(PY) -m benchmarks $(if $(BENCH_ROUNDS),--rounds $(BENCH_ROUNDS)) $(if $(BENCH_ONLY),--only $(BENCH_ONLY)) \
	  $(if $(BENCH_SAVE),--save) $(BENCH_FLAGS)

performance: setup ## write the figures and plots of docs/performance.md anew from docs/performance.json
	@$(PY) -m benchmarks.page

bench-convert: ## thresher convert against curl and qemu-img alone
	@$(MAKE) --no-print-directory bench BENCH_ONLY=convert

bench-inventory: ## 10,000 VMs of a simulated vCenter: read in pages, one by one, and planned, alone
	@$(MAKE) --no-print-directory bench BENCH_ONLY=inventory

bench-plan: bench-inventory ## the same: its last row is thresher plan

audit: setup ## known vulnerabilities of what is shipped (asks pypi.org), and bandit
	@.venv/bin/bandit -q -c pyproject.toml -r src
	@.venv/bin/pip-audit --strict --disable-pip --require-hashes -r deploy/requirements.lock

lint: setup ## ruff, mypy, bandit and the import rules
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@.venv/bin/bandit -q -c pyproject.toml -r src

format: setup ## format the code and mend what ruff can mend
	@.venv/bin/ruff check --fix-only .
	@.venv/bin/ruff format .

golden: setup ## make the golden files of the translation again (read the diff!)
	@$(PY) -m rig.golden

diagrams: setup ## draw the diagrams of the docs anew from the code
	@$(PY) scripts/diagrams.py

rules: setup ## write docs/rules.md anew from the rules
	@$(PY) scripts/rules.py

crds: setup ## write the CRDs anew from the models, in deploy/crds and in the chart
	@$(PY) scripts/crds.py

manifests: rig ## write deploy/manifests.yaml anew from the chart
	@$(PY) -m rig.chart

lock: ## resolve the dependencies anew: requirements.lock, and the image's part of it
	@$(LOCK) --upgrade --group dev pyproject.toml -o requirements.lock
	@$(LOCK) -c requirements.lock pyproject.toml -o deploy/requirements.lock
	@echo hatchling | $(LOCK) --upgrade --python-version 3.11 - -o deploy/build.lock

clean: ## remove what the tasks made here (not the cache folder)
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build out
