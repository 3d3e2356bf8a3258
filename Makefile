# `make` lists what there is. Needs python3 (3.11 to 3.13) and make; uv is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := UV_COMPILE_BYTECODE=1 $(BIN)/uv
# uv says what it downloads; the names of what it has installed, hundreds of lines, are left out
INSTALL = set -o pipefail; $(UV) pip install --python $(BIN)/python $(patsubst %,-r %,$(1)) 2>&1 | sed -u '/^ [-+~] /d'
IMAGE := $(or $(NIGHTSHIFT_IMAGE),nightshift:latest)
# Compose v2 where it is there, docker-compose 1.29 otherwise
COMPOSE := $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
# the group that reads backups besides the image's user: that of whoever runs make, and none where root does
BACKUP = NIGHTSHIFT_BACKUP_GROUP=$$([ "$$(id -u)" = 0 ] && echo 50000 || id -g) $(COMPOSE)
unexport PYTHONDONTWRITEBYTECODE

# its pipefail stops make where an installation fails whose lines are filtered
SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help demo up test test-all lint docs bench bench-quality gate-proof lock install extras clean image stack stack-stop stack-status stack-logs stack-run stack-metrics test-stack backup restore bench-stack audit secrets

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/installed ## Run the whole night on real flights, in Airflow, and stay up (EXIT=1: end after the verdict)
	@./nightshift demo $(if $(EXIT),--exit)

up: $(VENV)/installed ## Start Airflow and MLflow, until Ctrl-C
	@./nightshift up

install: $(VENV)/installed ## Make .venv with all that a run needs

extras: $(VENV)/installed-extras ## Add XGBoost, CatBoost, tsfresh, ONNX, Slack and Apprise to .venv

# a file is one process's, in the order of the folders: the long ones come first
PYTEST := $(BIN)/pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

test: $(VENV)/installed-dev lint ## Lint, hold the import contracts and run the tests, which check each promise once
	$(PYTEST)

test-all: $(VENV)/installed-dev lint ## Do what `test` does, and repeat at full size what it checks at a smaller one
	$(PYTEST) --run-slow

lint: $(VENV)/installed-dev ## Check style, types, import contracts, workflows and the links of the documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy --no-error-summary
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yaml
	$(BIN)/zizmor --offline --no-progress --quiet .github
	@$(MAKE) --no-print-directory docs

docs: $(VENV)/installed-dev ## Build the documentation site into var/docs; a link that leads nowhere fails
	$(BIN)/sphinx-build -b html -W --keep-going --quiet --jobs 2 -d var/docs/.doctrees docs var/docs

audit: $(VENV)/installed-dev ## Ask PyPI for known vulnerabilities of what is locked
	$(BIN)/pip-audit --requirement requirements.txt --no-deps --disable-pip --strict --progress-spinner off

secrets: $(VENV)/installed-dev ## Look for secrets in the files that git knows
	config/scan-secrets.sh $(BIN)/python

bench: $(VENV)/installed-dev ## Measure what the promises of docs/explanation/benchmarks.md are held against, and write it
	$(BIN)/python -m benchmarks

bench-quality: $(VENV)/installed-dev ## Measure models beside FLAML's, and AutoGluon's if BENCH_AUTOGLUON_PYTHON is set
	@$(UV) pip install --quiet --python $(BIN)/python -r requirements.txt -r requirements-extras.txt \
		-r requirements-dev.txt -r requirements-bench.txt
	$(BIN)/python -m benchmarks.quality

gate-proof: $(VENV)/installed-dev ## Plant bad and good challengers, count what the gate says, and write docs/explanation/gate-proof.md
	$(BIN)/python -m tests.mutation

lock: $(VENV)/bin/uv ## Resolve requirements.in and requirements-dev.in anew
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-emit-index-url \
		requirements.in --output-file requirements.txt
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-emit-index-url \
		requirements-extras.in --output-file requirements-extras.txt
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-emit-index-url \
		requirements-dev.in --output-file requirements-dev.txt
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-emit-index-url \
		requirements-bench.in --output-file requirements-bench.txt

image: ## Build the image of the production stack (BUILD_OPTIONS: more for `docker build`)
	@docker build $(BUILD_OPTIONS) --build-arg NIGHTSHIFT_CODE_VERSION=$$(git describe --always --abbrev=40 --dirty --exclude='*') \
		--tag $(IMAGE) .

stack: ## Start the production stack in containers, with secrets drawn into .env on first use (DEMO=1: the demo's data)
	@$(PYTHON) -m include.ops.production.env_file
	@$(if $(DEMO),$(PYTHON) -m include.ops.demo.stack_connections)
	@docker image inspect $(IMAGE) >/dev/null 2>&1 || $(MAKE) image
	@$(if $(DEMO),$(COMPOSE) run --rm --no-deps worker-1 python -m include sources)
	@$(COMPOSE) up --detach
	@$(PYTHON) -m include.ops.production.wait

stack-stop: ## Stop the production stack; its volumes stay
	@$(COMPOSE) down

stack-status: ## Show the parts of the production stack and their health
	@$(COMPOSE) ps

stack-logs: ## Show the last lines of the logs of SERVICE=scheduler, or of all parts
	@$(COMPOSE) logs --tail 200 $(SERVICE)

stack-run: ## Run COMMAND="history flight_delays", a command of ./nightshift, in a worker of the production stack
	@$(COMPOSE) exec -T worker-1 python -m include $(COMMAND)

stack-metrics: ## Start Prometheus and Grafana beside the production stack
	@$(COMPOSE) --profile monitoring up --detach

backup: ## Back up the production stack, while it runs, into ./backups
	@if [ "$$(id -u)" = 0 ]; then install -d -m 700 -o 50000 -g 50000 backups; else install -d -m 2770 backups; fi
	@$(BACKUP) run --rm backup

restore: ## Restore FROM=backups/nightshift-... into a stack whose volumes are empty, and start it
	@$(PYTHON) -m include.ops.production.env_file
	@$(BACKUP) run --rm backup python -m include restore /backups/$(notdir $(FROM:/=))
	@$(MAKE) stack

test-stack: $(VENV)/installed-dev image ## Run the production stack, injure it, and check that it keeps its promises
	$(BIN)/pytest tests/stack --run-stack -x

bench-stack: $(VENV)/installed-dev image ## Measure what a task costs on Celery, beside the LocalExecutor
	$(BIN)/python -m tests.stack.overhead

clean: ## Remove .venv and everything that was made in var/
	rm -rf $(VENV) var .pytest_cache .ruff_cache

$(VENV)/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "Nightshift needs Python 3.11 to 3.13; name one with PYTHON=python3.12 make ..." >&2; exit 1; }
	@config/system-packages.sh $(PYTHON)
	@echo "making $(VENV), with uv in it"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check uv

$(VENV)/installed: requirements.txt | $(VENV)/bin/uv
	@echo "installing requirements.txt into $(VENV): a few minutes, most of them for downloads"
	@$(call INSTALL,requirements.txt)
	@touch $@

$(VENV)/installed-extras: requirements-extras.txt $(VENV)/installed
	@echo "installing requirements-extras.txt into $(VENV)"
	@$(call INSTALL,requirements.txt requirements-extras.txt)
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed-extras
	@config/test-packages.sh
	@echo "installing requirements-dev.txt into $(VENV)"
	@$(call INSTALL,requirements.txt requirements-extras.txt requirements-dev.txt)
	@touch $@
