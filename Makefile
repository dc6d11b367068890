# Every task of the project. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PY := .venv/bin/python

# Debian packages, by what needs them.
APT_RUN := qemu-system-x86 qemu-utils
APT_TEST := $(APT_RUN)

.PHONY: help setup demo test lint format lock clean

help: ## list the tasks
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: ## make .venv and install what the tests need
	@scripts/setup.sh $(APT_TEST)

demo: ## import a sample OVA and boot it: the main job, end to end
	@scripts/setup.sh $(APT_RUN)
	@.venv/bin/thresher demo

test: setup ## run every test
	@$(PY) -m pytest

lint: setup ## ruff, mypy and the import rules
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

format: setup ## format the code and mend what ruff can mend
	@.venv/bin/ruff check --fix-only .
	@.venv/bin/ruff format .

lock: ## resolve the dependencies anew into requirements.lock
	@VIRTUAL_ENV=.venv .venv/bin/uv pip compile -q --universal --generate-hashes --no-emit-index-url --upgrade \
	  --no-header --no-annotate --group dev pyproject.toml -o requirements.lock

clean: ## remove what the tasks made here (not the cache folder)
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build out
