"""Federated averaging: three parties fit one model to data that stay where they are.

    python examples/fedavg.py

Each party runs as a process of its own, trains on its own rows, and brings its parameters and the number
of its rows to a sum; what comes back is the weighted mean of all models, and nobody saw another's.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from p2pmpc.blocking import Session
from p2pmpc.library import Options

Array = npt.NDArray[Any]
ROWS = (40, 100, 260)
ROUNDS = 5


def weighted_mean(session: Session, arrays: Sequence[Array]) -> list[Array]:
    """Return the weighted mean of every member's arrays, each with its own shape and type.

    Args:
        session: Whose members weigh as they said when they joined.
        arrays: This member's; all members bring the same shapes.
    """
    flat = np.concatenate([np.asarray(array, dtype=np.float64).ravel() for array in arrays])
    mean = session.sum(flat).mean
    ends = np.cumsum([array.size for array in arrays])
    parts = np.split(mean, ends[:-1])
    return [
        part.reshape(array.shape).astype(array.dtype)
        for part, array in zip(parts, arrays, strict=True)
    ]


def make_data(party: int) -> tuple[Array, Array]:
    """Return a party's made-up rows: four features and whether an event took place."""
    random = np.random.default_rng(party)
    features = random.normal(loc=party / 4, size=(ROWS[party], 4))
    odds = features @ np.array([1.5, -2.0, 0.5, 0.0]) - 0.25
    return features, (random.random(ROWS[party]) < 1 / (1 + np.exp(-odds))).astype(np.float64)


def train(model: Sequence[Array], features: Array, events: Array) -> list[Array]:
    """Return a model after some steps of logistic regression on one party's rows."""
    weights, intercept = (array.astype(np.float64) for array in model)
    for _ in range(20):
        error = 1 / (1 + np.exp(-(features @ weights + intercept))) - events
        weights = weights - 0.5 * features.T @ error / len(events)
        intercept = intercept - 0.5 * error.mean()
    return [weights.astype(np.float32), intercept.astype(np.float32)]


def take_part(party: int, options: Options, pipe: Connection) -> None:
    """Train in rounds with the others, and hand the last model to whoever started this party."""
    features, events = make_data(party)
    model = [np.zeros(4, dtype=np.float32), np.zeros((), dtype=np.float32)]
    with Session(options, on_founded=pipe.send) as session:
        for _ in range(ROUNDS):
            model = weighted_mean(session, train(model, features, events))
    pipe.send([array.tolist() for array in model])


def main() -> int:
    """Run three parties, and compare with the same training on one machine."""
    context = multiprocessing.get_context("spawn")
    models = []
    with tempfile.TemporaryDirectory() as directory:
        bootstrap, pipes, parties = None, [], []
        for party, rows in enumerate(ROWS):
            here, there = context.Pipe()
            options = Options(
                bootstrap=bootstrap,
                listen=None if bootstrap else "127.0.0.1:0",
                peers=None if bootstrap else len(ROWS),
                length=None if bootstrap else 5,
                fraction_bits=None if bootstrap else 32,
                field=None if bootstrap else "m61",
                weight=rows,
                name=f"party-{party + 1}",
                log_dir=str(Path(directory)),
            )
            process = context.Process(target=take_part, args=(party, options, there))
            process.start()
            parties.append(process)
            pipes.append(here)
            bootstrap = bootstrap or here.recv()
        models = [pipe.recv() for pipe in pipes]
        for process in parties:
            process.join()
    expected = [np.zeros(4, dtype=np.float32), np.zeros((), dtype=np.float32)]
    for _ in range(ROUNDS):
        trained = [train(expected, *make_data(party)) for party in range(len(ROWS))]
        expected = [
            np.average([model[k] for model in trained], axis=0, weights=ROWS).astype(np.float32)
            for k in range(2)
        ]
    print("model of the federation  ", np.round(models[0][0], 6), round(models[0][1], 6))
    print("the same on one machine  ", np.round(expected[0], 6), round(float(expected[1]), 6))
    alike = all(model == models[0] for model in models)
    close = all(np.allclose(a, b, atol=1e-6) for a, b in zip(models[0], expected, strict=True))
    return 0 if alike and close else 1


if __name__ == "__main__":
    sys.exit(main())
