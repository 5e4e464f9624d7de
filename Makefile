# Everything needs only Python 3.11+ and make; the rest is installed into .venv on first use.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# Tests start hundreds of processes, each of which would compile condgen again.
export PYTHONDONTWRITEBYTECODE =
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadgroup
SEEDS ?= 7

# The studio's page is checked by tools of Node, which nothing else needs: `$(call page,lint)` is `npm run lint`.
TOOLS := $(shell node -e 'process.exit(Number(parseInt(process.versions.node) < 20))' 2>/dev/null && command -v npm >/dev/null && \
	echo node_modules/installed)
page = @if [ -e node_modules/installed ]; then npm run --silent $(1); \
	else echo "Skipped: $(1) of the studio's page. Install Node 20 or newer, with npm, and have registry.npmjs.org once."; fi

# Targets at the same time, since types alone would leave a core idle for half a minute.
beside = @$(MAKE) --no-print-directory --jobs $(1) || { echo "One of these failed, see above: $(1)"; exit 1; }

.PHONY: all page-test quick demo gpu-check hashes soak test test-all wheel-test robust torture docs docs-serve screenshots \
	lint types format clean

demo: .venv/installed  ## train a conditional model on handwritten digits, ask it for each, judge the answers
	@$(BIN)/python examples/demo.py

# Everything but what is slow and seldom breaks (marked `slow`): every family with every kind of attribute, every mechanism in an
# autoencoder and a GAN, every command, reader and metric, resuming after Ctrl-C, two processes of one family. Six to
# twenty minutes on two cores, by how fast they are.
test: lint  ## lint, types and the quick tests
	$(call beside,types page-test quick)

quick: .venv/installed-dev
	$(PYTEST) -m "not slow"

# The slow ones too: every mechanism crossed with every kind, every setting of every family, the documentation's commands,
# processes killed again and again, every family in two processes, compiled networks, and the wheel. TURN=2/8 leaves out all
# but the second of eight parts of them.
test-all: lint  ## lint, types, all tests, and the built wheel
	$(call beside,types page-test wheel-test all)

all: .venv/installed-dev
	$(PYTEST) $(if $(TURN),--turn $(TURN))

# WHEEL=--alone downloads its dependencies, as a stranger's machine would.
wheel-test: .venv/installed-dev  ## the built wheel in an empty environment: every command once
	$(BIN)/python tests/wheel.py $(WHEEL)

# Every test whose outcome depends on training or sampling, under other seeds, kernels, thread counts and precisions.
# Goes on where it was interrupted; `make robust SEEDS=1 ARGS="-k meanflow"` looks at some tests only.
robust: .venv/installed-dev  ## how much room statistical tests have, in standard deviations
	nice $(BIN)/python -m tests.robust --seeds $(SEEDS) $(ARGS)

# Training, sampling and evaluation in turns in one process; SECONDS=28800 is a night.
soak: .venv/installed-dev  ## ten minutes of all of it in one process: memory, files and threads stay flat
	$(BIN)/python -m tests.reliability.soak --seconds $(or $(SECONDS),600)

# Kills, flipped bits, full and failing disks, power failures and several commands at once, at random; memory is limited.
torture: .venv/installed-dev  ## harm condgen for SECONDS and count what was lost, as docs/reliability.md has it
	nice $(BIN)/python -m tests.reliability --seconds $(or $(SECONDS),300) --seed $(or $(SEED),0) $(ARGS)

# Compiling, bf16, resuming and exporting, of three families and in latents. CONDGEN_GPU_CHECK=cpu looks at the CPU instead.
# benchmarks/gpu.sh measures speed and quality there.
gpu-check: .venv/installed-dev  ## whether this machine's GPU trains, resumes and exports as the CPU does; a few minutes
	$(BIN)/python -m pytest tests/gpu -rs

# Of what trains, exports and serves, on any platform: pip install --require-hashes -r requirements-hashed.txt
hashes: .venv/bin/python  ## renew requirements-hashed.txt after a change of constraints.txt or of dependencies
	@$(INSTALL) uv
	$(BIN)/uv pip compile pyproject.toml --extra train --extra onnx --extra serve --constraint constraints.txt \
		--universal --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet \
		--output-file requirements-hashed.txt

docs: export NO_MKDOCS_2_WARNING = 1  # a notice about the future of MkDocs, on every build
docs: .venv/installed-docs  ## build the documentation into site/; a broken link is an error
	$(BIN)/mkdocs build --strict --quiet
	@echo "The documentation: site/index.html"

docs-serve: .venv/installed-docs  ## show the documentation while you write it
	$(BIN)/mkdocs serve

screenshots: .venv/installed-dev  ## draw the pictures of the guide to the studio; trains what they show, 15 minutes
	$(BIN)/python -m docs.screenshots

lint: .venv/installed-dev $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(call page,lint)

types: .venv/installed-dev $(TOOLS)
	$(BIN)/mypy
	$(call page,types)

page-test: $(TOOLS)
	$(call page,test)

format: .venv/installed-dev  ## put the code into its standard form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv demo site robust node_modules

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "condgen needs Python 3.11 or newer; none was found. Name one: make PYTHON=/path/to/python"; exit 1; }
	@echo "Making .venv with $(PYTHON) and installing condgen (once; PyTorch is large) …"
	@$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	@$(INSTALL) --editable '.[train]'
	@touch $@

.venv/installed-dev: .venv/installed
	@$(INSTALL) --editable '.[dev]'
	@touch $@

.venv/installed-docs: .venv/installed
	@$(INSTALL) --editable '.[docs]'
	@touch $@

node_modules/installed: package.json package-lock.json
	@npm ci --silent --no-audit --no-fund && touch $@ || true  # without a network, too, all else is checked
