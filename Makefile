# Shortcuts; each target is one command that can be typed as well.

.PHONY: check test planted lint bench

check: ## Everything a change must pass, in a fresh copy.
	.ci/run

test:
	python -m pytest

planted: ## Which test catches which planted bug; takes minutes.
	python -m tests.planted_bugs

lint:
	ruff check
	ruff format --check
	mypy --strict

bench:
	python bench/start.py
