# Two commands do all the set-up: `make demo` labels a page, `make test` passes every check.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint model joins clean

demo: .venv/installed
	$(BIN)/lanmu label examples/page.txt

test: lint
	$(BIN)/python -m pytest -n 2

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Rebuild the model that comes with the package from labeled/.
model: .venv/installed
	$(BIN)/lanmu train labeled --settings labeled/settings.json --about labeled/about.json \
		-o model/lanmu/topics.lanmu

# Rebuild the weights that put pages together again, from articles/ and labeled/.
joins: .venv/installed
	$(BIN)/python -m lanmu_training.joins articles labeled -o model/lanmu/joins.json

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lanmu needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .hypothesis dist build
