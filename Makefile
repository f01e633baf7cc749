# Everything runs from .venv, which is made on first use and made anew only when pyproject.toml changes.
# Say `make PYTHON=/path/to/python ...` to choose the interpreter, `make test ARGS="-k cron"` to pass arguments on.

# The newest Python that really starts (a pyenv shim may not) and can make a venv.
PYTHON ?= $(or $(shell for python in python3.14 python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& echo $$python && break; done),$(error aioclock needs Python 3.11 or newer, with venv and pip))

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --quiet --disable-pip-version-check --no-input
ARGS ?=
# Programs that some tests run: root on Debian gets them. `make DEBIAN_PACKAGES= ...` leaves the system as it is.
DEBIAN_PACKAGES ?= cron mariadb-server pgbouncer postgresql redis-server

# mkdocs-material otherwise prints a banner about its future above every build.
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.PHONY: help run test check format docs bench chaos build clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

run: $(VENV)/.library  ## serve examples/app.py until Ctrl+C
	@$(PY) examples/app.py $(ARGS)

test: $(VENV)/.tools $(VENV)/.debian  ## run every test
	$(PY) -m pytest $(ARGS)

check: $(VENV)/.tools $(VENV)/.debian  ## lint, types, docs, and every test under branch coverage
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m pyright --pythonpath $(PY)
	$(PY) -m mkdocs build --strict --quiet
	$(PY) -m coverage erase
	$(PY) -m coverage run -m pytest $(ARGS)
	$(PY) -m coverage combine --quiet
	$(PY) -m coverage report

format: $(VENV)/.tools  ## format the code and fix what ruff can fix
	$(PY) -m ruff check --fix-only .
	$(PY) -m ruff format .

docs: $(VENV)/.tools  ## build the documentation into site/
	$(PY) -m mkdocs build --strict

bench: $(VENV)/.library  ## print the table of budgets (QUICK=1: a rough one in a minute)
	@$(PY) benchmarks/table.py $(if $(QUICK),--quick) $(ARGS)

chaos: $(VENV)/.tools $(VENV)/.debian  ## let processes, stores, clocks and servers fail, and print what came of it
	@$(PY) tests/chaos/run.py $(ARGS)

build: $(VENV)/.tools  ## build wheel and sdist into dist/
	$(PY) -m hatchling build

clean:  ## remove everything that make has made
	rm -rf $(VENV) .bench dist site .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.created:
	@echo "setting up $(VENV) (once)"
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

# A system without a zone database gets one from the package index.
$(VENV)/.library: $(VENV)/.created pyproject.toml
	@echo "installing aioclock into $(VENV)"
	@$(PIP) install --editable .
	@$(PY) -c 'import zoneinfo; zoneinfo.ZoneInfo("Europe/Berlin")' 2>/dev/null || $(PIP) install tzdata
	@touch $@

$(VENV)/.tools: $(VENV)/.library
	@echo "installing the tools for tests, checks and docs into $(VENV)"
	@$(PIP) install --editable ".[dev]"
	@touch $@

# The tests that need a package are skipped without it, so this never fails.
$(VENV)/.debian: $(VENV)/.created Makefile tests/support/debian_packages.sh
	@sh tests/support/debian_packages.sh $(DEBIAN_PACKAGES)
	@touch $@
