# Shortcuts; each target is one command that can be typed as well.

.PHONY: check test lint bench

check: ## Everything a change must pass, in a fresh copy.
	.ci/run

test:
	python -m pytest

lint:
	ruff check
	ruff format --check
	mypy --strict

bench:
	python bench/start.py
