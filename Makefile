# make demo | test | lint | docs | fuzz | bench | clean. Everything runs in .venv, which the
# first command makes and later ones reuse until setup.cfg or constraints.txt changes.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MODULES := $(wildcard egic hific deeplab2_tf drawings trials *.py)

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test lint docs fuzz bench clean

demo: $(STAMP)
	$(BIN)/python demo.py

test: $(STAMP)
	$(BIN)/pytest -q -n 2

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(MODULES)
	$(BIN)/pytest -q tests/test_layers_of_imports.py

# Without what the theme's makers announce at every start.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# make fuzz MINUTES=30 [PROCESSES=2] [SEED=1]
MINUTES ?= 5
PROCESSES ?= 1
fuzz: $(STAMP)
	$(BIN)/python -m trials.fuzz --minutes=$(MINUTES) --processes=$(PROCESSES) \
		$(if $(SEED),--seed=$(SEED))

bench: $(STAMP)
	$(BIN)/python -m egic.bench

$(STAMP): setup.cfg pyproject.toml constraints.txt
	@python3 tools/check_platform.py $(PYTHON)
	@echo "Installing into $(VENV) (once, some minutes)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq -e ".[dev]" -c constraints.txt
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
