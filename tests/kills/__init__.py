"""Processes that are killed, stopped, interrupted and started again in the middle of a sum.

    python -m tests.kills [--runs N] [--seed S] [--jobs N]

What is drawn stands in `drawn`, what is done to processes in `scene`, `faults` and `launchers`, and what
the page of faults demands of how they end in `judge`, which knows nothing of how the program works.
"""
