# Everything a newcomer needs: `make` lists it. Each target does all of its own set-up.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
INPUT  ?= demo/archive
OUTPUT ?= demo/output

.DEFAULT_GOAL := help
.PHONY: help venv demo demo-kimi test lint bench fuzz soak clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

$(BIN)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Folioscope needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

venv: $(BIN)/.ready  ## Make the virtual environment

demo: $(BIN)/.ready  ## Read the demo archive and film, or your own: make demo INPUT=/some/folder
ifeq ($(INPUT),demo/archive)
	$(BIN)/python examples/make_archive.py demo/archive > /dev/null
	$(BIN)/python examples/make_film.py demo/archive > /dev/null
	$(BIN)/python jobs/extract_docs.py --input $(INPUT) --output $(OUTPUT) \
	    --questions examples/questions.yaml --password-file demo/passwords.txt --max-failures 7
	$(BIN)/python jobs/index_videos.py --input $(INPUT) --output $(OUTPUT) --questions examples/questions.yaml
else
	$(BIN)/python jobs/extract_docs.py --input $(INPUT) --output $(OUTPUT) --max-failures 1000000
	$(BIN)/python jobs/index_videos.py --input $(INPUT) --output $(OUTPUT) --max-failures 1000000
endif
	@$(BIN)/python examples/show_tables.py $(OUTPUT)
	@$(BIN)/python jobs/report.py $(OUTPUT)

demo-kimi: $(BIN)/.ready  ## Read a small archive with a Kimi-VL replica on the CPU (the nano model that lies here)
	$(BIN)/python examples/make_printed.py demo/printed > /dev/null
	$(BIN)/python jobs/extract_docs.py --input demo/printed --output demo/output-kimi --model nano --replicas 1 \
	    --questions examples/printed_questions.yaml
	@$(BIN)/python examples/show_tables.py demo/output-kimi
	@$(BIN)/python jobs/report.py demo/output-kimi

test: lint  ## Lint, types and tests
	$(BIN)/python -m pytest

lint: $(BIN)/.ready  ## Lint and types alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(BIN)/.ready  ## Measure the document pipeline (about 20 minutes)
	$(BIN)/python benchmarks/documents.py

fuzz: $(BIN)/.ready  ## Damaged files through the decoder, nights through the planner: 20,000, or FILES=n
	FOLIOSCOPE_FUZZ=$(or $(FILES),20000) $(BIN)/python -m pytest tests/pipeline/test_*fuzz.py
	$(BIN)/python benchmarks/hostile.py

soak: $(BIN)/.ready  ## Random kills on S3 for 30 minutes, or MINUTES=n
	$(BIN)/python benchmarks/soak.py --minutes $(or $(MINUTES),30)

clean:  ## Remove the environment and all demo output
	rm -rf $(VENV) demo build *.egg-info
