# Everything runs in .venv, made on first use. The stamp files make a second call instant.
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
PIP_INSTALL := .venv/bin/python -m pip install -q -c constraints.txt

.PHONY: help demo serve test check clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile

demo: .venv/app  ## start with sample data in ./demo-data, ready to vote
	@.venv/bin/bakeoff demo

HOST = 127.0.0.1
PORT = 8501
serve: .venv/app  ## start with your own data in ./data; make serve PORT=9000 for another port
	@.venv/bin/bakeoff serve --host $(HOST) --port $(PORT)

test: .venv/test  ## run all tests and static checks
	@.venv/bin/python -m tests.browser
	@.venv/bin/python -m pytest -n 2 --dist loadscope -m 'not timed'
	@.venv/bin/python -m pytest -m timed

check: .venv/test  ## the quick static part: ruff, mypy, import contracts, budgets
	@.venv/bin/python -m pytest tests/test_house.py

clean:  ## remove what can be made again; never data or demo-data
	rm -rf .venv dist test-results .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find app pages db tests -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/app: pyproject.toml constraints.txt .venv/bin/python
	@echo "Installing Bakeoff into .venv; the first time takes a minute or two."
	@$(PIP_INSTALL) -e .
	@touch $@

.venv/test: .venv/app
	@echo "Installing what the tests need into .venv."
	@$(PIP_INSTALL) -e '.[test]'
	@touch $@

# A name on PATH is not enough: version managers leave shims that fail, and Debian packs ensurepip apart.
.venv/bin/python:
	@for python in python3.13 python3.12 python3.11 python3; do \
		if $$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			exec $$python -m venv --clear .venv; \
		fi; \
	done; \
	echo "Bakeoff needs Python 3.11 or newer with its venv module (Debian, Ubuntu: apt-get install python3-venv)." >&2; \
	exit 1
