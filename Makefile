# Two commands matter: `make demo` and `make test`. Each does all of its own set-up.
.DEFAULT_GOAL := help
.PHONY: help demo test lint format run bench screenshots requirements clean

VENV := .venv
BIN := $(VENV)/bin
# Compiled once for all the processes that a demo or a test run starts.
export PYTHONDONTWRITEBYTECODE :=

help: ## Show this help
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

demo: $(VENV)/embedded.stamp ## Everything at http://127.0.0.1:5000 with six months of history; Ctrl-C stops all of it
	@$(BIN)/python -m demo

test: $(VENV)/development.stamp ## Every check and every test, as CI runs them
	@$(MAKE) --no-print-directory lint
	@browser="$$(sh scripts/find-browser.sh)" && BROWSER_PATH="$$browser" $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

lint: $(VENV)/development.stamp ## Format, style, types and layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/development.stamp ## Put the code into form
	@$(BIN)/ruff check --fix --exit-zero . && $(BIN)/ruff format .

run: $(VENV)/embedded.stamp ## Web, worker and scheduler as in production, with the settings of .env
	@$(BIN)/python -m embedded run

bench: $(VENV)/development.stamp ## How fast it is here, as JSON lines; ARGS="--50m" for the large ledger
	@$(BIN)/python -m bench $(ARGS)

screenshots: $(VENV)/development.stamp ## Photograph every page of a running demo into .local/shots
	@browser="$$(sh scripts/find-browser.sh)" && BROWSER_PATH="$$browser" $(BIN)/python -m demo.screenshots

requirements: $(VENV)/development.stamp ## Lock the dependencies of pyproject.toml again, with hashes
	@$(BIN)/python -m pip install --quiet uv
	@sh scripts/lock-requirements.sh

clean: ## Remove the virtual environment and everything the demo and the tests made
	rm -rf $(VENV) .local .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(VENV)/%.stamp: requirements/%.txt
	@sh scripts/install.sh $(VENV) $<
	@touch $@
