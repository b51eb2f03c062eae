# make serve    run the product on http://127.0.0.1:8080
# make test     everything CI runs; installs what it needs (apt: chromium, postgresql, redis; ClickHouse's engine)
# make bench    the budgets, as a table, with ratios measured in the same run; half an hour
#               make bench only=ready,backfill-zoho measures these parts of it
# make soak     fifty rounds of kill -9 under load, ten upgrades, twenty of backup and restore, all that is hostile,
#               and for each CRM two hundred deliveries that are killed, and ten thousand leads at its limit
# make scoreboard  power cuts, full disks, hostile CRMs and clients: what is lost, doubled, crossed; ten minutes
#               make scoreboard only=slow-clients tries one of them
# make binary   dist/: the product as a folder (tar.xz) and as one file; five minutes
# make test-binary  builds it and tries it out without Python; what a release runs
# make test-postgresql  the whole suite on PostgreSQL; make test runs most of it there
# make deb      dist/: a Debian package of what make binary has built
# make image    a container image (CONTAINER=podman or buildah for another builder)
# make fmt      format and sort
# make lock     pin the dependencies anew, with hashes
# make migration m="..."   write a migration from the difference to the models

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SERVE_FLAGS ?=
CONTAINER ?= docker
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' src/site2crm/__init__.py)

.PHONY: install serve test bench soak scoreboard fmt lint lock migration test-postgresql browser postgresql redis clickhouse wrk compiler binary test-binary deb image

install: $(VENV)/.installed
dev: $(VENV)/.dev

# Debian's python3 has no ensurepip without python3-venv: say so, once, in one line.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo 'Python 3.11 or newer is missing:  sudo apt-get install -y python3 python3-venv'; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	  || { echo 'A package is missing:  sudo apt-get install -y python3-venv'; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: packaging/requirements.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r packaging/requirements.txt
	echo "$(CURDIR)/src" > $$($(BIN)/python -c 'import site; print(site.getsitepackages()[0])')/site2crm.pth
	printf '#!/bin/sh\nexec "%s" -m site2crm "$$@"\n' "$(CURDIR)/$(BIN)/python" > $(BIN)/site2crm
	chmod +x $(BIN)/site2crm
	touch $@

$(VENV)/.dev: packaging/requirements-dev.txt $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r packaging/requirements-dev.txt
	touch $@

serve: $(VENV)/.installed
	exec $(BIN)/site2crm serve $(SERVE_FLAGS)

# $(call apt,a file that shows it is there,package)
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
define apt
	@ls $(1) >/dev/null 2>&1 || { $(SUDO) apt-get update -qq \
	  && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(2) >/dev/null; }
endef

browser:
	$(call apt,/usr/bin/chromium,chromium)

postgresql:
	$(call apt,/usr/lib/postgresql/*/bin/initdb,postgresql)

redis:
	$(call apt,/usr/bin/redis-server,redis-server)

# ClickHouse's own engine: 180 MB to fetch, 560 on the disk, so only where it is tried.
clickhouse: $(VENV)/.clickhouse
$(VENV)/.clickhouse: packaging/requirements-clickhouse.txt $(VENV)/.dev
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r packaging/requirements-clickhouse.txt
	touch $@

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A file is run by one process, long ones first (tests/conftest.py), so that both cores have work to the end.
# Three processes more than there are cores: most of them wait for a database, a server or a browser.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $$(($$(nproc) + 3)) --dist loadfile --no-loadscope-reorder

# The heart of it a second time, on PostgreSQL: where leads are joined, found and sent, and links kept. What is tried with
# each CRM is tried with HubSpot there: records are the same for all. A release runs all.
AGAIN := tests/leads tests/delivery tests/links tests/core/test_queue.py tests/core/test_queue_crons.py \
  tests/core/test_queue_running.py -k "not (salesforce or pipedrive or nutshell or zoho)"

# Whatever asks the event store a second time, on ClickHouse.
COUNTED := tests/analytics tests/links/test_api.py tests/links/test_list.py tests/links/test_pages.py \
  tests/core/test_eventstore_running.py

test: lint browser postgresql redis clickhouse
	$(PYTEST)
	$(PYTEST) --database postgresql $(AGAIN)
	$(PYTEST) --events clickhouse $(COUNTED)

# The whole suite on PostgreSQL, but for what has no records in it (tests/only_once.py); what a release runs.
test-postgresql: $(VENV)/.dev browser postgresql redis
	SITE2CRM_TEST_ALL=yes $(PYTEST) --database postgresql

# The load for redirects and forms.
wrk:
	$(call apt,/usr/bin/wrk,wrk)

bench: $(VENV)/.dev wrk
	$(BIN)/python -m tests.bench --only "$(only)"

soak: $(VENV)/.dev
	$(BIN)/python -m tests.soak --rounds 50
	$(BIN)/python -m tests.backup.rounds --rounds 20
	SITE2CRM_TEST_ALL=yes $(BIN)/python -m pytest tests/security/test_hostile.py
	SITE2CRM_KILLS=200 $(BIN)/python -m pytest tests/delivery/test_kill.py
	SITE2CRM_PACED=10000 $(BIN)/python -m pytest tests/connectors/test_limits.py

# The library that lets syncs and writes fail is compiled when it is needed.
compiler:
	$(call apt,/usr/bin/cc,gcc libc6-dev)

scoreboard: $(VENV)/.dev compiler
	$(BIN)/python -m tests.scoreboard --only "$(only)"

fmt: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# A place of its own: what only developers need must not get into the binary.
build/venv/.installed: packaging/requirements.txt packaging/requirements-build.txt
	rm -rf build/venv
	$(PYTHON) -m venv build/venv
	build/venv/bin/pip install --quiet --disable-pip-version-check --require-hashes \
	  -r packaging/requirements.txt -r packaging/requirements-build.txt
	touch $@

binary: build/venv/.installed
	sh packaging/make_binary.sh

test-binary: binary $(VENV)/.dev postgresql redis
	$(BIN)/python -m pytest tests/packaging/smoke.py tests/packaging/smoke_services.py tests/packaging/smoke_speed.py

deb:
	sh packaging/make_deb.sh

image:
	$(CONTAINER) build -f packaging/Dockerfile -t site2crm:$(VERSION) .

lock: $(VENV)/.dev
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile -q --generate-hashes --python-version 3.11 --no-header --group pyproject.toml:dev pyproject.toml -o packaging/requirements-dev.txt
	$(BIN)/uv pip compile -q --generate-hashes --python-version 3.11 --no-header -c packaging/requirements-dev.txt pyproject.toml -o packaging/requirements.txt
	$(BIN)/uv pip compile -q --generate-hashes --python-version 3.11 --no-header --no-deps --group pyproject.toml:clickhouse -o packaging/requirements-clickhouse.txt
	$(BIN)/uv pip compile -q --generate-hashes --python-version 3.11 --no-header --group pyproject.toml:build -c packaging/requirements.txt -o packaging/requirements-build.txt

migration: $(VENV)/.dev
	$(BIN)/python packaging/make_migration.py "$(m)"
