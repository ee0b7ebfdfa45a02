# One word per chore. `make demo` and `make test` need Python 3.11 or later, make and the package index, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DISTRIBUTIONS := shared services/datagen services/trainer services/evaluator cli
# `make setup EXTRAS=peers` makes, beside the project's, the environment that benchmarks hold it against; EXTRAS=tpu
# puts there the TPU compiler, for `flan plan`; EXTRAS="peers tpu" does both.
EXTRAS ?=
ARGS ?=
PEERS := $(VENV)-peers
TPU := $(VENV)-tpu

.PHONY: demo test setup check format proto catalog lock clean

demo: setup
	$(BIN)/flan up $(ARGS)

test: setup
	$(BIN)/python -m pytest $(ARGS)

ifneq ($(filter-out peers tpu,$(EXTRAS)),)
$(error EXTRAS is '$(EXTRAS)'; expected nothing, peers, tpu or both)
endif

setup: $(VENV)/ready $(EXTRAS:%=$(VENV)-%/ready)

$(VENV)/ready: requirements.lock pyproject.toml $(addsuffix /pyproject.toml,$(DISTRIBUTIONS))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"make setup: {sys.executable} is Python {sys.version.split()[0]}; expected 3.11 or later: make PYTHON=python3.12 setup")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(addprefix -e ./,$(DISTRIBUTIONS))
	@touch $@

$(PEERS)/ready: requirements-peers.lock
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# A folder and not a part of the environment: jax would load the library in every process (flan_trainer/plan/topology.py).
$(TPU)/ready: requirements-tpu.lock $(VENV)/ready
	rm -rf $(TPU)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --target $(TPU) -r $<
	@touch $@

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Regenerates the stubs; tests/test_layout.py fails where they differ from proto/.
proto: setup
	$(BIN)/python -m grpc_tools.protoc -Iproto --python_out=shared --pyi_out=shared --grpc_python_out=shared proto/flan/v1/*.proto

# Writes docs/catalog.md; tests/test_page.py fails where it differs from the templates.
catalog: setup
	$(BIN)/python -m flan_datagen page --out docs/catalog.md

# Writes the exact tested set, with hashes and without addresses, and out of it what each image installs. Needs uv.
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
  --no-emit-index-url --no-annotate --no-header --no-emit-package flan-shared --no-emit-package flan-datagen \
  --no-emit-package flan-trainer --no-emit-package flan-evaluator --no-emit-package flan-cli

lock:
	$(COMPILE) --group dev --group build $(addsuffix /pyproject.toml,$(DISTRIBUTIONS)) -o requirements.lock
	for service in datagen trainer evaluator; do \
	  $(COMPILE) -c requirements.lock services/$$service/pyproject.toml -o services/$$service/requirements.lock || exit; \
	done
	echo setuptools | $(COMPILE) -c requirements.lock --group build - -o services/build.lock
	printf '%s\n' seqio tensorflow tensorflow-text | $(COMPILE) - -o requirements-peers.lock
	echo 'jax[tpu]' | $(COMPILE) -c requirements.lock - | awk '/^[a-z]/ { own = /^libtpu==/ } own' >requirements-tpu.lock

clean:
	rm -rf $(VENV) $(PEERS) $(TPU) .pytest_cache .ruff_cache
