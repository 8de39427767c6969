"""Whole runs in virtual time, drawn from a seed: orders of delivery and faults are what is explored.

The machines of every peer are the production ones, and so is every byte that they sign. What is
replaced by something cheap is what the machines are given: signatures, seals, and the expansion of
seeds. In sharded mode pieces have two elements. A run is one round; later rounds are for
tests/test_rounds.py. A smaller campaign (``--real``) replaces nothing, and gives the same traces.

    scenario   what a seed draws: the peers, their inputs, the pace of every link, the faults
    faults     what a fault makes its culprit do, and those in which nobody is dishonest
    lies, injected, substituted
               what dishonest peers do: to all, beside the rest, and to some
    fakes      cheap signatures, seals and expansions
    cast       keys, sessions, notaries and sealers of one run, cheap or real
    peer       one peer: its machines and its deadlines, as p2pmpc.runner drives them
    world      the peers together, what is said, and what faults make of it
    heap       the driver in virtual time: links that are cut and come back, deadlines, crashes
    streams    the driver that carries the same schedule over real streams
    watch      sees everything, and holds every honest peer to the invariants
    committed  the total that must come out, computed apart from the machines
    trace      who did what, in one canonical text
    campaign   many seeds: how fast, which faults fired, how runs ended
    kept       scenarios that failed once
    planted    faulty machines, which the watch must report

What decides everything is the seed (and the options that narrow what is drawn): no clock is read, no
entropy taken, and nothing is iterated in an order that hashes of strings could change.

    python -m tests.simulator --seeds 2000
    python -m tests.simulator --seed 17 --trace
"""
