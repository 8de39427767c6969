# Shortcuts; each target is one command that can be typed as well.

.PHONY: check test planted lint bench simulate network

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

simulate: ## Thousands of whole runs in virtual time, and a few hundred with real cryptography.
	python -m tests.simulator --seeds 5000
	python -m tests.simulator --seeds 1000 --start 1000000 --real

network: ## Drawn scenes on bad networks, for minutes; needs Linux and root.
	python -m tests.network

bench: ## Minutes, on a machine with nothing else to do; needs the extra "bench".
	python -m bench
	python bench/start.py
