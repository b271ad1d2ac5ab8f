# Everything a newcomer needs: `make` lists it. Each target does all of its own set-up.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
WORKERS ?= 2
INPUT  ?= demo/archive
# An archive of your own is read into an output of its own.
OUTPUT ?= $(if $(filter demo/archive,$(INPUT)),demo/output,demo/output-$(shell basename "$(INPUT)"))

# A worker process that dies is not replaced: the next one would run the same test again.
SIDE_BY_SIDE = --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0 --durations 20

.DEFAULT_GOAL := help
.PHONY: help venv demo demo-kimi test test-slow lint bench fuzz soak clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

$(BIN)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Folioscope needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

venv: $(BIN)/.ready  ## Make the virtual environment

demo: $(BIN)/.ready  ## Read the demo archive and video, or your own: make demo INPUT=/some/folder
ifeq ($(INPUT),demo/archive)
	$(BIN)/python examples/make_archive.py demo/archive > /dev/null
	$(BIN)/python examples/make_video.py demo/archive > /dev/null
	$(BIN)/folioscope read demo/archive --output '$(OUTPUT)' \
	    --questions examples/questions.yaml --password-file demo/passwords.txt --max-failures 7
else
	$(BIN)/folioscope read '$(INPUT)' --output '$(OUTPUT)' --max-failures 1000000
endif
	@$(BIN)/python examples/show_tables.py '$(OUTPUT)'
	@$(BIN)/folioscope report '$(OUTPUT)' $(if $(filter demo/archive,$(INPUT)),--password-file demo/passwords.txt)

demo-kimi: $(BIN)/.ready  ## Read a small archive with a Kimi-VL replica on the CPU (the nano model that lies here)
	$(BIN)/python examples/make_printed.py demo/printed > /dev/null
	$(BIN)/folioscope read demo/printed --output demo/output-kimi --model nano --route model --replicas 1 \
	    --questions examples/printed_questions.yaml
	@$(BIN)/python examples/show_tables.py demo/output-kimi
	@$(BIN)/folioscope report demo/output-kimi

test: lint  ## Lint, types and tests, in WORKERS=2 processes
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) --override-ini timeout=600 --override-ini faulthandler_timeout=1200

test-slow: $(BIN)/.ready  ## The tests that take long, which test leaves out, in WORKERS=2 processes
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m slow

lint: $(BIN)/.ready  ## Lint and types alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@mkdir -p build/types/folioscope && ln -sfn $(CURDIR)/folioscope/*.py build/types/folioscope/
	@for part in jobs model pipeline schemas; do ln -sfn $(CURDIR)/$$part build/types/folioscope/$$part; done
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
