# Nightshelf. `make help` lists the targets; every target first makes sure that the set-up is complete.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PY := .venv/bin/python
export PATH := $(CURDIR)/.venv/bin:$(PATH)
ifneq ($(wildcard .venv/java/bin/java),)
export JAVA_HOME := $(CURDIR)/.venv/java
endif
# Byte code is kept: the large libraries import ten times faster with it.
unexport PYTHONDONTWRITEBYTECODE

# Variables given on the command line (make up DATA=... VAR=...) reach every program: make exports them by itself.

.PHONY: help setup demo run up down status test verify bench lint format docs site lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install everything into .venv and .jars (instant when nothing changed)
	@bash infra/embedded/setup.sh

demo: setup ## from nothing to printed lists: a generated shop through the real DAGs, in minutes
	@$(PY) -m infra.embedded.demo

run: setup ## a real log through the same DAGs: SOURCE=sources/x.yaml DATA=DIR FROM=DAY TO=DAY
	@$(PY) -m infra.embedded.run_source

up: setup ## start PostgreSQL, Redis, the storefront service, MLflow and Airflow in the background and wait until they answer
	@$(PY) -m infra.embedded.stack up

down: ## stop them cleanly; the state in VAR stays
	@if [ -x $(PY) ]; then $(PY) -m infra.embedded.stack down; fi

status: setup ## what runs, its memory, its URL
	@$(PY) -m infra.embedded.stack status

test: setup lint ## lint, then unit, integration and end-to-end tests
	@bash infra/embedded/test.sh

verify: setup ## the long checks; results as JSON under docs/verified/
	@$(PY) -m infra.checks

bench: setup ## speeds as ratios to a reference of the same run: ONLY=retrieval,lookup RUNS=5
	@$(PY) -m infra.bench $(if $(ONLY),--only $(ONLY)) $(if $(RUNS),--runs $(RUNS))

lint: setup ## ruff, mypy strict, import contracts
	@ruff check . && ruff format --check . && mypy && lint-imports

format: setup ## let ruff put imports and layout right
	@ruff check --fix-only . && ruff format .

docs: setup ## write docs/tables.md, the table of docs/sizing.md and the dashboards' JSON from what they are made of
	@$(PY) -m lake.tables.document > docs/tables.md
	@$(PY) -m infra.bench.sizing --page docs/sizing.md
	@$(PY) -m infra.dashboards

site: setup ## build the docs site into var/site; a broken link fails
	@NO_MKDOCS_2_WARNING=1 .venv/tools/bin/mkdocs build --strict

lock: setup ## requirements.txt from requirements.in, for Python 3.11 and 3.12
	@bash infra/embedded/lock.sh

clean: ## stop the stack and remove VAR (lake, lists, databases, logs); .venv and .jars stay
	@if [ -x $(PY) ]; then $(PY) -m infra.embedded.stack erase; fi
