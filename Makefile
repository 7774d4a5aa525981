# The few verbs of this house; `make` alone lists them. Everything runs in .venv, which is built from the lock files.

.DEFAULT_GOAL := help
.PHONY: help demo test slow lint bench bench-quick quality conformance docs lock clean
BIN := .venv/bin

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

demo: .venv/.run ## prepare the example set and write its report, in a minute
	$(BIN)/tuneset prepare examples/customer_intent.csv --out out/demo

test: .venv/.dev ## run the tests, and every example in the code and the docs
	$(BIN)/pytest -n auto --maxprocesses 8 -m "not slow"

slow: .venv/.dev ## run the tests that take long: kills, whole real sets, memory
	$(BIN)/pytest -n auto --maxprocesses 8 -m slow

lint: .venv/.dev ## check style, types, dependencies, lock files, house rules and generated docs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/deptry .
	$(BIN)/python docs/generate.py --check
	$(BIN)/pytest -q tests/test_house.py

bench: .venv/.dev .peers/.made ## measure time, memory and quality beside other packages (fetched into .peers), and write docs/benchmarks.md
	$(BIN)/python bench/run.py

bench-quick: .venv/.dev ## hold ratios of time to bench/floors.json, in five minutes
	$(BIN)/python bench/quality/floors.py speed

quality: .venv/.dev ## measure precision and recall of the steps, and hold them to bench/floors.json
	$(BIN)/python bench/quality/floors.py

conformance: .venv/.dev ## ask the checkers of platforms and trainers what they make of our files (fetches them into .conformance)
	$(BIN)/python conformance/ask.py ours .conformance/work --envs .conformance/envs $(if $(CI),--offered)
	$(BIN)/python conformance/differ.py .conformance/changed --envs .conformance/envs $(if $(CI),--offered)
	$(if $(wildcard $(TUNESET_DATA)/format_cases),$(BIN)/python conformance/ask.py cases $(TUNESET_DATA)/format_cases --envs .conformance/envs $(if $(CI),--offered))

docs: .venv/.dev ## write again the pages that come from docstrings and --help
	$(BIN)/python docs/generate.py

lock: ## pin all versions again after a change of pyproject.toml (needs uv and the network)
	uv pip compile $(COMPILE) --group dev -o lock/dev.txt
	uv pip compile $(COMPILE) --group build -c lock/dev.txt -o lock/run.txt

clean: ## remove .venv, .peers, .conformance and out, and nothing else
	rm -rf .venv .peers .conformance out

.peers/.made: bench/peers/requirements.txt
	python3 -m venv .peers
	.peers/bin/pip install --quiet --requirement $<
	@touch $@

# One version of each package for every Python and platform, and no address of any index.
COMPILE := --quiet --universal --fork-strategy fewest --generate-hashes --custom-compile-command "make lock" pyproject.toml

.venv/.run: lock/run.txt lock/install.sh pyproject.toml
	@sh lock/install.sh $(if $(wildcard .venv/.dev),dev,run) # what is there for work stays there
	@touch $@

.venv/.dev: lock/dev.txt lock/install.sh pyproject.toml
	@sh lock/install.sh dev
	@touch .venv/.run $@
