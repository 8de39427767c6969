"""The ``p2pmpc`` command. What a command needs is imported when it is called."""

from __future__ import annotations

from cyclopts import App

from p2pmpc import __version__
from p2pmpc.app import run_app

app = App(
    name="p2pmpc", help="Private weighted sums between peers, with no server.", version=__version__
)
_COMMANDS = (
    ("init", "study.session.command:run_init", "Make your lasting identity, and show its ID."),
    ("id", "inspecting:run_id", "Show the ID of a key."),
    ("study", "study.session.command:study_app", "Write a study file, and read what it asks."),
    ("data", "study.data.command:data_app", "Check your data for a study; nothing leaves."),
    (
        "invite",
        "study.session.command:run_invite",
        "Found a study's session; print the line to join with.",
    ),
    ("join", "study.session.command:run_join", "Take part in a study."),
    ("demo", "study.demo.command:run_demo", "See a whole study, with made-up data."),
    ("verify", "inspecting:run_verify", "Check what a run has left: signatures, sums, results."),
    ("ledger", "inspecting:run_ledger", "Show the sums that your inputs may have been opened in."),
    ("node", "node:run_node", "Run one peer of a private weighted sum."),
    ("swarm", "swarm.command:run_swarm", "Run N peers on this machine, and check their total."),
)
for _place, (_name, _where, _help) in enumerate(_COMMANDS):  # in the order in which they are used
    app.command(f"p2pmpc.{_where}", name=_name, help=_help, sort_key=_place)


def main() -> None:
    """Run ``p2pmpc``."""
    run_app(app)
