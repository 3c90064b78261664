# make demo   set up and show what striate does       make test       lint, types, tests
# make bench  striate beside its peers, measured      make test-all   and what is slow or needs a browser

PYTHON ?= python3
BIN = .venv/bin
BROWSER_TESTS = $(if $(shell command -v chromium),or browser,)

.PHONY: demo test test-all bench lint clean

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	touch $@

demo: .venv/ready
	$(BIN)/python -m striate.demo

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

test: lint
	$(BIN)/pytest -n 2 -m 'not slow and not browser $(BROWSER_TESTS)'

test-all: lint
	$(BIN)/pytest -n 2 -m ''

# the peers are installed beside the environment, without their dependencies: a plain install would replace PyTorch
.peers/ready:
	$(BIN)/pip install -q --no-deps --target .peers torchvision==0.28.0 timm==1.0.31 torchinfo==1.8.0
	touch $@

bench: .venv/ready .peers/ready
	$(BIN)/python -m bench

clean:
	rm -rf .venv .peers runs build *.egg-info .pytest_cache .ruff_cache .hypothesis
