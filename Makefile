# `make` alone lists what there is.
SHELL := /bin/sh
.DEFAULT_GOAL := help
# Images of containers often set it. Then each of our many processes compiles every module anew,
# which takes it 2 to 10 s.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help setup demo test gate platforms check bench chaos migration freeze clean

# A file of tests stays in one process: its tests share databases, servers and a browser.
# tests/conftest.py orders the files, so that no process is waited for at the end.
parallel = --numprocesses=4 --dist=loadfile --no-loadscope-reorder

# Given on the command line only: login shells have a MAIL of their own.
given = $(filter command,$(origin $(1)))

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

setup: .venv/.installed ## make .venv, and install Postgres, pg_cron, pgbouncer, nginx, Node.js, Chromium and more
	@docker/install-postgres.sh --with-chromium --with-faketime --with-nginx --with-node --with-pgbouncer --with-plproxy --with-plpgsql-check --with-prometheus >&2

.venv/.installed: extra = dev
.venv/.demo: extra = demo
# uv takes a sixth of the time. Where PyPI has none for the machine, pip does the same.
.venv/.installed .venv/.demo: pyproject.toml | .venv/bin/pip
	@echo 'Installing the Python packages into .venv' >&2
	@.venv/bin/pip install --quiet --disable-pip-version-check uv >&2 && \
	  .venv/bin/uv pip install --quiet --python .venv/bin/python --editable '.[$(extra)]' >&2 || { \
	  echo 'Went on without uv: pip takes a minute.' >&2; \
	  .venv/bin/pip install --quiet --disable-pip-version-check --editable '.[$(extra)]' >&2; }
	@touch $@

.venv/bin/pip:
	@find_python() { for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	  $$python -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && return; \
	done; return 1; }; \
	find_python || docker/install-postgres.sh --with-venv >&2; \
	find_python || { echo 'Python 3.11 or newer, with its venv module, is needed.' >&2; exit 1; }; \
	$$python -m venv .venv >&2

# A developer's environment has what the demo needs.
demo: $(or $(wildcard .venv/.installed),.venv/.demo) ## sync simulated mail: ONCE=1 and stop, MAIL=path of an mbox, MESSAGES=n, NODES=3
	@docker/install-postgres.sh $(if $(call given,NODES),--with-plproxy --with-pgbouncer) >&2
	@exec .venv/bin/gmail-sync demo $(if $(call given,ONCE),--once) \
	  $(if $(call given,MAIL),--mail "$$MAIL") $(if $(call given,MESSAGES),--messages "$$MESSAGES") \
	  $(if $(call given,NODES),--nodes "$$NODES")

test: check ## lint, types, and the tests for each change; PYTEST_ARGS="-k lease" chooses
	.venv/bin/pytest $(if $(PYTEST_ARGS),$(PYTEST_ARGS),-m 'not gate and not serial' $(parallel))

gate: test ## test, then what needs time, load or many rows: before a merge, and in CI
	.venv/bin/pytest -m 'gate and not serial' $(parallel)
	.venv/bin/pytest -m serial

# Debian trixie's, whatever the machine has. Servers of root run as another user, who cannot enter
# every checkout.
POSTGRES_17 = $(if $(filter 0,$(shell id -u)),/var/cache/gmail-sync-postgres,$(CURDIR)/.postgres)-17
on_the_server = functions migrations handbook demo worker chaos \
  conventions/test_catalog.py conventions/test_plpgsql_check.py
on_17 = GMAIL_SYNC_POSTGRES_PROGRAMS=$(POSTGRES_17)/bin .venv/bin/pytest $(parallel)
# What waits for pg_cron.
by_pg_cron = tests/migrations/test_administrator.py \
  tests/functions/scheduler/test_scheduler_status.py::test_the_scheduler_really_runs_and_reaps

platforms: setup ## the tests that depend on the server, on Postgres 17 with pg_cron 1.6
	@docker/unpack-postgres.sh trixie 17 $(POSTGRES_17)
	$(on_17) -m 'not gate and not serial' $(addprefix tests/,$(on_the_server))
	$(on_17) -m gate $(by_pg_cron)

check: setup ## lint, format and types
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

bench: setup ## compare with peers and bare statements; results go to tests/benchmarks/README.md
	@docker/install-postgres.sh --with-notmuch >&2
	.venv/bin/python -m tests.benchmarks $(if $(SCALE),--scale)

chaos: setup ## break everything often, for hours; results go to tests/README.md
	.venv/bin/python -m tests.chaos
	GMAIL_SYNC_CHAOS=tell GMAIL_SYNC_SOAK_SECONDS=1800 GMAIL_SYNC_FUZZ_EXAMPLES=200 \
	  .venv/bin/pytest tests/chaos/test_clicks.py tests/chaos/test_streams.py \
	  tests/chaos/test_soak.py tests/api/test_fuzz.py tests/model

migration: setup ## freeze the edited functions in a new revision: M="what it does"
	@test -n "$$M" || { echo 'Say what it does: make migration M="..."' >&2; exit 1; }
	@.venv/bin/python -m db.migrations.new "$$M"

freeze: setup ## freeze all functions, once, at the first release
	@.venv/bin/python -m db.migrations.freeze

clean: ## remove .venv and everything made
	rm -rf $(POSTGRES_17) .venv .venv-peers .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
	find db service tests -name __pycache__ -prune -exec rm -rf {} +
