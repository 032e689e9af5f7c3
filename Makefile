# The two commands: make demo, make test. Everything they need they set up themselves.
.PHONY: setup demo down test unit check faults bench lock docs

PYTEST = .venv/bin/python -m pytest
EVENTS ?= 100000
# Test processes at once; each starts servers of its own (about 1.5 GB) and takes whole files.
WORKERS ?= 2

setup:
	@local/setup.sh

demo: setup
	@.venv/bin/credit demo

down:
	@.venv/bin/credit down

test: setup
	$(PYTEST) -n $(WORKERS) --dist loadfile tests/unit tests/integration tests/faults

unit: setup
	$(PYTEST) -n $(WORKERS) tests/unit

check: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python -m credit_schemas.documentation --check docs/datasets

faults: setup
	EVENTS=$(EVENTS) $(PYTEST) tests/faults

bench: setup
	PYTHONPATH=tests .venv/bin/python -m bench

# The pages of the standard and docs/标准数据结构规范.docx, made from the schemas; `make check` fails when they are stale.
docs: setup
	.venv/bin/python -m credit_schemas.documentation docs/datasets

# Versions stay as they are unless UPGRADE=1; no index address is written.
lock:
	uv pip compile pyproject.toml schemas/pyproject.toml producers/pyproject.toml --group dev --universal \
	    --generate-hashes --no-emit-index-url --no-annotate --no-header $(if $(UPGRADE),--upgrade) \
	    --no-emit-package credit-schemas --no-emit-package credit-producer -o requirements.lock
