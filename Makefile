# make demo: the whole study on the embedded corpus. make help lists the rest.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OVERLAY ?= workflow/overlays/mini.yaml
PROFILE ?= workflow/profiles/local
STUDY = $(shell sed -n 's/^study: *//p' $(OVERLAY))
SNAKEMAKE = $(BIN)/snakemake --workflow-profile $(PROFILE) --configfile $(OVERLAY)

.DELETE_ON_ERROR:
.PHONY: help demo plan blast configuration adopt test test-slow bench bench-gpu lint lint-python lint-rules format report-zip paper cards compare study-docs clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' $(MAKEFILE_LIST)

$(VENV)/installed: envs/requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r envs/requirements.txt
	touch $@

$(VENV)/installed-dev: $(VENV)/installed envs/requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r envs/requirements-dev.txt
	touch $@

demo: $(VENV)/installed ## run a study (the mini one, or OVERLAY=...) and print its results
	$(SNAKEMAKE)
	@PYTHONPATH=workflow $(BIN)/python -m chapters.transfer.summary results/$(STUDY)

plan: $(VENV)/installed ## what a study costs before anything runs, and what of it is there (OVERLAY=..., or none for the published study)
	PYTHONPATH=workflow $(BIN)/python -m tools.plan --workflow-profile $(PROFILE) $(if $(OVERLAY),--configfile $(OVERLAY))

blast: $(VENV)/installed ## what each value of the configuration runs again, by Snakemake's dry runs, against what the schema declares
	PYTHONPATH=workflow $(BIN)/python -m tools.blast

configuration: $(VENV)/installed ## write the page of all keys, docs/configuration.md, from the schema
	PYTHONPATH=workflow $(BIN)/python -m tools.configuration

adopt: $(VENV)/installed ## take over results that were made elsewhere, after checking them against their provenance (OVERLAY=...)
	PYTHONPATH=workflow $(BIN)/python -m tools.adopt --workflow-profile $(PROFILE) --configfile $(OVERLAY)

# A file's tests in one process, so that its fixtures are made once; the longest files first (tests/conftest.py). Three processes
# for two cores: some tests wait, for a signal, for SLURM, for a lock.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test: $(VENV)/installed-dev lint ## everything that is checked in minutes, the mini study included
	$(PYTEST) -m "not slow"

test-slow: $(VENV)/installed-dev ## what takes longer: kills, coverage, browser
	$(PYTEST) -m slow

# Memory is kept and in large pages, as in the jobs (workflow/rules/common.smk), for all contestants alike.
MEMORY = MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=2147483648 MALLOC_TOP_PAD_=67108864 GLIBC_TUNABLES=glibc.malloc.hugetlb=1
BENCH = $(MEMORY) PYTHONPATH=workflow:. $(BIN)/python -m

bench: $(VENV)/installed ## speed on two CPU cores against the plain algorithm and Hugging Face (real XNLI with CARRYOVER_MIRROR)
	$(BENCH) benchmarks.cpu

bench-gpu: $(VENV)/installed ## speed on a GPU: tokens a second, model FLOP utilisation, prediction
	$(BENCH) benchmarks.gpu

lint: lint-python lint-rules ## style of Python and Snakemake

lint-python: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lint-rules: $(VENV)/installed-dev
	$(BIN)/snakefmt --check Snakefile workflow/rules workflow/chapters
	PATH=$(abspath $(BIN)):$$PATH $(BIN)/snakemake --lint --configfile workflow/overlays/mini.yaml

format: $(VENV)/installed-dev ## rewrite in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow/rules workflow/chapters

report-zip: $(VENV)/installed ## Snakemake's own report of a finished study
	$(SNAKEMAKE) --report results/$(STUDY)/snakemake-report.zip

compare: $(VENV)/installed ## two finished studies side by side: make compare A=results/one B=results/two
	PYTHONPATH=workflow $(BIN)/python -m tools.compare $(A) $(B)

cards: $(VENV)/installed ## a model card into the directory of each trained model of a finished study
	$(SNAKEMAKE) results/$(STUDY)/cards.provenance.json

paper: $(VENV)/installed ## the tables as LaTeX and the figures as PDF of a finished study
	$(SNAKEMAKE) results/$(STUDY)/paper/paper.tex

# Not the models' continuations: what is committed of a real study is figures, no text. Other chapters have a folder of their own.
study-docs: $(VENV)/installed ## put the tables and figures of a finished study (OVERLAY=...) into docs/
	mkdir -p docs/$(STUDY)
	PYTHONPATH=workflow $(BIN)/python -m chapters.transfer.summary results/$(STUDY) > docs/$(STUDY)/results.txt
	cp results/$(STUDY)/jobs.csv results/$(STUDY)/transfer/figures/regimes.svg docs/$(STUDY)
	cp $(filter-out %/generations.csv,$(wildcard results/$(STUDY)/transfer/tables/*.csv)) docs/$(STUDY)
	for chapter in $(filter-out transfer,$(notdir $(patsubst %/tables,%,$(wildcard results/$(STUDY)/*/tables)))); do \
	  mkdir -p docs/$$chapter && cp results/$(STUDY)/$$chapter/tables/*.csv results/$(STUDY)/$$chapter/figures/*.svg docs/$$chapter; \
	done

clean: ## remove results and downloads, not the virtual environment
	rm -rf results data/downloads
