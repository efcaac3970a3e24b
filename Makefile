# make setup   virtual environment, packages and the Java parts; a second call does nothing
# make run     the whole system on simulated exchanges; SOURCE=live on the real ones
#              CAPTURE="FILE…" [SPEED=1|10|max]: replay captures and watch their spreads instead
# make web     the page alone: its packages, types and bundle
# make test    set up, then lint, types and every test
# make soak    ten minutes from sockets to archives: simulator, Kafka, Parquet and Cassandra agree, through kills (15 min)
# make day     26 hours of quiet markets in memory, every second, bar and correlation against the oracle (18 min)
# make cluster-test  the chart on a real control plane, built with Go the first time (25 min, then 15)
# make image-test  builds docker/Dockerfile and runs docker/compose.yaml in an engine of its own (10 min, then 3)
# make docs    the documentation as a site, in build/docs
# make lint    lint and types alone
# make bench   measure; nothing else may be running
# make k8s     render deploy/k8s anew from the chart
# make lock    write the locked requirements anew
# make clean   remove everything that was set up or written here

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
SPEED ?= 1
SOURCE ?= simulated
TEST_PROCESSES ?= 2
VENV := .venv
JARS := .jars
CLUSTER := .cluster
WEB := services/gateway/web
export COINTIDE_TEST_DATA ?= ../shared/data

.PHONY: help setup web run test soak day lint bench k8s lock cluster-test image-test docs clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

setup: $(VENV)/.packages $(VENV)/.project $(JARS)/kafka/.complete $(JARS)/cassandra/classes.jsa web
	@:

$(VENV)/.packages: requirements-dev.txt
	@.ci/machine $(PYTHON)
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the packages; the first time this takes some minutes."
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

# Its own packages are linked, not copied: what is edited here is what runs.
$(VENV)/.project: $(VENV)/.packages pyproject.toml requirements.in clients/python/pyproject.toml
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . --editable clients/python
	@touch $@

# Copied beside and moved at the end, so that an interrupted download is never taken for whole.
$(JARS)/%/.complete: services/local/%/pom.xml
	@.ci/machine $(PYTHON)
	@rm -rf $(JARS)/$* $(JARS)/$*.part && mkdir -p $(JARS)
	mvn -B -q -f $< dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(abspath $(JARS))/$*.part
	@mv $(JARS)/$*.part $(JARS)/$* && touch $@

# What a node starts faster with; one that could not be written is tried again at the next set-up.
$(JARS)/cassandra/classes.jsa: $(JARS)/cassandra/.complete | $(VENV)/.project
	@COINTIDE_JARS_DIR=$(JARS) $(VENV)/bin/python -m services.local.cassandra.classes || echo "Cassandra will start without it."

web: $(WEB)/dist/.complete
	@:

# No script of a package runs: the page needs none of them.
$(WEB)/node_modules/.complete: $(WEB)/package.json $(WEB)/package-lock.json
	@.ci/machine $(PYTHON)
	cd $(WEB) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(WEB)/dist/.complete: $(WEB)/node_modules/.complete $(WEB)/build.mjs $(WEB)/tsconfig.json $(shell find $(WEB)/src -type f)
	cd $(WEB) && npm run --silent check && npm run --silent build
	@touch $@

run: setup
ifeq ($(strip $(CAPTURE)),)
	@exec $(VENV)/bin/cointide up --source $(SOURCE)
else
	@exec $(VENV)/bin/cointide watch --speed $(SPEED) $(CAPTURE)
endif

test: lint
	@.ci/machine $(PYTHON) browser
	$(VENV)/bin/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy .

soak: setup
	COINTIDE_SOAK_SECONDS=600 COINTIDE_SOAK_RATE=2000 $(VENV)/bin/python -m pytest -s tests/integration/test_lossless.py

day: setup
	COINTIDE_TEST_HOURS=26 $(VENV)/bin/python -m pytest tests/unit/test_long_line_in_memory.py tests/unit/test_long_bars_in_memory.py tests/unit/correlation_agent/test_against_captures.py

image-test: setup
	@.ci/machine $(PYTHON) engine || true
	$(VENV)/bin/python -m tests.image.prepare
	$(VENV)/bin/python -m pytest tests/image

docs: setup
	$(VENV)/bin/python -m mkdocs build --strict

cluster-test: setup
	@tests/cluster/build $(CLUSTER)
	@.ci/machine $(PYTHON) engine || true
	$(VENV)/bin/python -m tests.image.prepare
	COINTIDE_CLUSTER_DIR=$(CLUSTER) tests/cluster/isolated $(VENV)/bin/python -m pytest --verbose --capture=no --timeout=1800 --durations=5 tests/cluster

bench: setup
	$(VENV)/bin/python -m benchmarks

k8s: setup
	$(VENV)/bin/python -m deploy.k8s

# uv resolves for every supported Python at once; it is needed for nothing else.
lock:
	@rm -rf build/lock && $(PYTHON) -m venv build/lock && build/lock/bin/pip install --quiet 'uv==0.13.*'
	for part in requirements requirements-dev; do \
		build/lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
			--no-header --no-annotate --no-emit-index-url --no-emit-find-links $$part.in --output-file $$part.txt; \
	done

clean:
	rm -rf $(VENV) $(JARS) $(CLUSTER) $(WEB)/node_modules $(WEB)/dist .data build .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
