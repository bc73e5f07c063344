# `make help` tells what there is. Everything but `make clean` sets the machine up first.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
DEMO_PORT ?= 8080
KIOSK_PORT ?= 8081
SEEDS ?= 1000
FROM ?= 0

.PHONY: help setup demo test chaos powercut fuzz simulate simulate-mutants lint screenshots bench migration lock clean

help:  ## Say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 26

setup:  ## Set everything up: system packages, .venv, the project
	@tools/setup.sh

demo: setup  ## Run a server and one gate with a simulated camera until Ctrl-C (DEMO_PORT, KIOSK_PORT)
	@exec $(BIN)/python demo/run.py --port $(DEMO_PORT) --kiosk-port $(KIOSK_PORT)

test:  ## Set up, then lint, check types and run every test
	@tools/setup.sh --tests
	@$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest -n 3 --dist worksteal

chaos:  ## Kill, cut off and lie to a real fleet, seed after seed (MINUTES=5, SEED=n for one)
	@tools/setup.sh --tests
	@$(BIN)/python -m tests.processes.chaos --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED))

powercut:  ## Cut the power of a real gate N times (200); needs root
	@tools/setup.sh --tests
	POWER_CUTS=$(or $(N),200) $(BIN)/python -m pytest tests/disasters/test_power_cut.py

fuzz:  ## Walk the OpenAPI document as every caller with Schemathesis (EXAMPLES=50, SEED=n)
	@tools/setup.sh --tests
	@$(BIN)/python -m tests.fuzz --examples $(or $(EXAMPLES),50) $(if $(SEED),--seed $(SEED))

lint: setup  ## ruff, mypy, import laws
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

simulate: setup  ## Run SEEDS fleets in virtual time on all cores; SEED=N tells one story
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED) $(if $(MUTANT),--mutant $(MUTANT)),--seeds $(SEEDS) --from $(FROM))

simulate-mutants: setup  ## Plant each fault; each must be found within 500 seeds
	@$(BIN)/python -m tests.simulation --mutants --seeds 500

screenshots: setup  ## Take pictures of the kiosk in every state, and of an event on the pages (docs/images)
	@$(BIN)/python tools/kiosk_screens.py
	STORY_IMAGES=docs/images $(BIN)/python -m pytest -q tests/browser/test_story.py
	@$(BIN)/python tools/page_screens.py

bench: setup  ## Print the benchmark tables
	@$(BIN)/python -m tests.benchmarks

migration: setup  ## A new step of the server's schema from schema.py (NAME=mail_queue)
	@$(BIN)/python -m tools.new_migration $(NAME)

lock: setup  ## Pin every dependency anew (needs uv)
	@tools/lock.sh

clean:  ## Remove the environment, caches and the demo's data
	rm -rf .venv var build dist *.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
