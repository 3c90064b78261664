# make demo   set up and show what striate does       make test       lint, types, tests
# make bench  striate beside its peers, measured      make test-all   and what is slow or needs a browser

PYTHON ?= python3
BIN = .venv/bin
# fastai with what its vision part imports; its text part would bring spaCy, newer fastprogress a web framework
FASTAI = fastai==2.8.12 fastcore==2.2.39 fastprogress==1.0.3 fastdownload==0.0.8 fasttransform==0.0.5 \
	plum-dispatch==2.9.0 beartype==0.23.1 matplotlib==3.11.2 contourpy==1.3.3 cycler==0.12.1 fonttools==4.68.0 \
	kiwisolver==1.5.1 pyparsing==3.3.3 pandas==3.1.1 python-dateutil==4.0.0 six==1.17.0 requests==2.34.2 \
	certifi==2026.10.18 charset-normalizer==3.5.2 urllib3==2.8.0
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
	$(BIN)/pip install -q --no-deps --target .peers $(FASTAI)
	$(BIN)/pip install -q --no-deps --target .peers captum==0.9.0 grad-cam==1.5.7 ttach==0.0.3
	$(BIN)/pip install -q --no-deps --target .peers litserve==0.2.19 pyzmq==27.3.0 uvloop==0.23.0 httptools==0.9.0
	touch $@

bench: .venv/ready .peers/ready
	$(BIN)/python -m bench

clean:
	rm -rf .venv .peers runs build .pytest_cache .ruff_cache .hypothesis
