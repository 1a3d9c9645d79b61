# macOS ships make 3.81: nothing newer is used here.
# Options pass through ARGS, as in: make up ARGS="--port 9000"

BIN = .venv/bin
NPM = $(BIN)/python -m deploy.page.node
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header $(ARGS)

# What failed beside others, which on two cores may have been for want of time, has to pass by itself.
ALONE = (echo "headrace: what failed runs again, alone" && \
	$(BIN)/python -m pytest -n 0 --last-failed --last-failed-no-failures none -m "not timing and not long")

# Only these have tests that are timed: nobody waits until all others are collected, to run none of them.
TIMED = $$(grep -rl --include='test_*.py' --exclude-dir=.venv --exclude-dir=node_modules 'pytest.mark.timing' tests)

# Bytecode is kept, whatever the machine is set to: hundreds of programs that the tests start need it.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help setup up web dist test code page around bench figures chaos mutants mutants-survey settings format lock dashboards

help:
	@echo "make up      install what is missing and run Headrace on this machine"
	@echo "make test    install what is missing, check the code and run every test"
	@echo "make bench   measure Headrace beside its peers"
	@echo "make figures measure the chat page in Chromium"
	@echo "make dashboards write Grafana's dashboards anew, and draw them from a busy system"
	@echo "make chaos   break each part on purpose, then everything at random for ten minutes"
	@echo "make mutants plant faults, one at a time, and see whether the tests notice (ARGS=--jobs 2)"
	@echo "make mutants-survey let a tool plant all it can think of in the pure modules"
	@echo "make web     install what is missing and build the chat page, where it has changed"
	@echo "make dist    build the wheel and the npm package into dist/, with what is in them and where they came from"
	@echo "make setup   only install, into .venv"
	@echo "make settings write deploy/SETTINGS.md anew, from the code"
	@echo "make format  format the code"
	@echo "make lock    resolve the locked dependencies anew (ARGS=--upgrade: to the latest)"

setup:
	@sh deploy/setup.sh requirements.lock

up: setup
	@exec $(BIN)/headrace up $(ARGS)

web: setup
	@$(BIN)/headrace build

dist: setup
	@$(BIN)/python -m deploy.release

test: setup
	@$(MAKE) --no-print-directory -j 2 code page around
	@$(BIN)/python -m pytest -n 3 -m "not timing and not long" \
		|| $(ALONE)
	@$(BIN)/python -m pytest -m "timing and not long" $(TIMED)

# What `make test` looks at or has ready before any test runs.
code:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

page:
	@$(BIN)/headrace build
	@$(NPM) gateway/web run --silent check
	@$(BIN)/python -m tests.kit.web_app
	@$(NPM) gateway/web run --silent test

around:
	@$(BIN)/python -m tests.kit.node_clients
	@$(BIN)/python -m tests.kit.python_clients
	@$(BIN)/python -m tests.browser.chromium
	@$(BIN)/python -m tests.kit.debian
	@$(BIN)/headrace model fetch gemma
	@$(BIN)/python -m tests.kit.helm
	@$(BIN)/python -m tests.kit.crds

bench: setup
	@sh deploy/setup.sh bench.lock
	@$(BIN)/python -m tests.bench $(ARGS)

figures: setup
	@$(BIN)/python -m tests.browser.chromium
	@$(BIN)/headrace build
	@$(BIN)/python -m tests.browser.measure $(ARGS)
	@$(BIN)/python -m pytest tests/browser -m long

dashboards: setup
	@sh deploy/setup.sh bench.lock
	@$(BIN)/python -m tests.kit.debian
	@$(BIN)/python -m deploy.grafana
	@$(BIN)/python -m tests.bench.dashboards $(ARGS)

# The promises that speak of no broker's end, for brokers other than the suite's.
PROMISES := $(addsuffix .py,$(addprefix tests/integration/test_,resume takeover cancel drain slow_reader idempotency \
	silence owners asker_limits revocation busy_conversation conversations changed_conversations abandonment completions responses ui_message \
	typed_content blobs shares speech speech_voices rooms room_log room_refusals room_strangers openai_conversations))

chaos: setup
	@$(BIN)/python -m tests.kit.debian
	@$(BIN)/headrace model fetch gemma
	@$(BIN)/python -m pytest -n 0 --broker sentinel $(PROMISES)
	@$(BIN)/python -m pytest -n 0 --broker cluster $(PROMISES)
	@$(BIN)/python -m pytest tests/chaos tests/integration/test_openapi.py tests/integration/test_pace.py tests/integration/test_fairness.py \
		tests/e2e/test_ag_ui.py tests/e2e/test_dist.py -m "long or not long"
	@$(BIN)/python -m tests.chaos $(ARGS)
	@$(BIN)/python -m tests.chaos --cluster $(ARGS)

mutants: setup
	@$(BIN)/headrace build
	@$(BIN)/python -m tests.kit.debian
	@$(BIN)/python -m tests.mutants $(ARGS)

mutants-survey: setup
	@sh deploy/setup.sh survey.lock
	@$(BIN)/python -m tests.mutants.survey $(ARGS)

settings: setup
	@$(BIN)/python -m deploy.settings_page

format: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: setup
	@$(LOCK) pyproject.toml --extra local --extra otel --extra speech --extra dev --group build -o requirements.lock
	@$(LOCK) pyproject.toml --extra otel --constraint requirements.lock -o deploy/image/runtime.lock
	@$(LOCK) --group build --constraint requirements.lock -o deploy/image/build.lock
	@$(LOCK) pyproject.toml --extra bench --constraint requirements.lock -o bench.lock
	@$(LOCK) tests/python/requirements.in -o tests/python/requirements.lock
	@$(LOCK) tests/bench/peers/litellm/requirements.in -o tests/bench/peers/litellm/requirements.lock
	@$(LOCK) pyproject.toml --extra survey --constraint requirements.lock -o survey.lock
