# Shortcuts; each target is one command that can be typed as well.

.PHONY: check test planted lint bench simulate campaign kills network fuzz byzantine

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

simulate: ## Thousands of whole runs in virtual time, of any number of peers, some with real cryptography.
	python -m tests.simulator --seeds 5000 --peers any --real-share 0.1

campaign: ## 50,000 of five peers each, held against the page of faults; minutes, on two cores.
	python -m tests.simulator --seeds 50000

kills: ## Real processes killed, stopped and resumed by seed, for ten minutes on two cores.
	python -m tests.kills

network: ## Drawn scenes on bad networks, for minutes; needs Linux and root.
	python -m tests.network

fuzz: ## Ten minutes of each target; add --atheris where the extra "fuzz" is installed.
	python -m fuzz.codec --seconds 600
	python -m fuzz.session --seconds 600

byzantine: ## Every lie that a process can tell three honest ones.
	python -m tests.byzantine

bench: ## Minutes, on a machine with nothing else to do; needs the extra "bench".
	python -m bench
	python bench/start.py
