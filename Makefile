PYTHON ?= python3
VENV ?= .venv
ARGS ?=

BIN := $(VENV)/bin
# Named after the interpreter, so that another PYTHON makes the venv anew.
READY := $(VENV)/.ready-$(subst /,-,$(PYTHON))

# What the test suites of other projects need is theirs: a venv of its own.
COMPAT := $(VENV)-compat
COMPAT_READY := $(COMPAT)/.ready-$(subst /,-,$(PYTHON))

# The peers of the benchmarks, too, as far as they can be had.
BENCH := $(VENV)-bench
BENCH_READY := $(BENCH)/.ready-$(subst /,-,$(PYTHON))

.PHONY: run test lint bench bench-quick compat clean

# The core has no dependencies: nothing but Python is needed here.
run:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Yamanote needs Python 3.11 or newer: make run PYTHON=/path/to/python3.13" >&2; exit 1; }
	PYTHONPATH=src $(PYTHON) -m yamanote run examples/codestat.py:main $(ARGS)

test: lint
	$(BIN)/python -m pytest --numprocesses auto $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict src/yamanote tests/typed.py

bench: $(BENCH_READY)
	$(BENCH)/bin/python -m bench $(ARGS)

bench-quick: $(BENCH_READY)
	$(BENCH)/bin/python -m bench --quick $(ARGS)

compat: $(COMPAT_READY)
	PYTHONPATH=$(CURDIR)/src $(COMPAT)/bin/python compat/run.py $(ARGS)

clean:
	rm -rf $(VENV) $(BENCH) $(COMPAT) build dist .mypy_cache .pytest_cache .ruff_cache
	find src tests examples bench compat -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(READY): pyproject.toml tests/ecosystem/requirements.txt
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); $(PYTHON) -m virtualenv --quiet $(VENV); } || { \
		rm -rf $(VENV); \
		echo "$(PYTHON) cannot make a virtual environment." >&2; \
		echo "Install its venv module (Debian, Ubuntu: apt install python3-venv) or virtualenv." >&2; \
		exit 1; }
	$(BIN)/python -m pip install --quiet --editable '.[test,lint]'
	$(BIN)/python tests/ecosystem/packages.py install
	touch $@

$(COMPAT_READY): compat/requirements.txt
	rm -rf $(COMPAT)
	$(PYTHON) -m venv $(COMPAT) || { rm -rf $(COMPAT); $(PYTHON) -m virtualenv --quiet $(COMPAT); }
	$(COMPAT)/bin/python -m pip install --quiet --requirement compat/requirements.txt
	touch $@

$(BENCH_READY): pyproject.toml bench/install.py
	rm -rf $(BENCH)
	$(PYTHON) -m venv $(BENCH) || { rm -rf $(BENCH); $(PYTHON) -m virtualenv --quiet $(BENCH); }
	$(BENCH)/bin/python -m pip install --quiet --editable '.[bench,test]'
	$(BENCH)/bin/python -m bench.install
	touch $@
