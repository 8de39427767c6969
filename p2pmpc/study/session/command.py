"""The commands of a study: ``init``, ``study new|show``, ``invite``, ``join``."""

from __future__ import annotations

import datetime as dt
import json as json_module
import os
import resource
import shlex
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import trio
from cyclopts import App, Parameter

from p2pmpc.app import show_error
from p2pmpc.errors import (
    AgreementFailed,
    ConfigurationError,
    Interrupted,
    P2PMPCError,
    ResourceExhausted,
    exit_code_of,
)
from p2pmpc.identity import Identity, format_id
from p2pmpc.identity_file import default_key, lasting_key, make_lasting
from p2pmpc.inputs import read_weight
from p2pmpc.keys import load
from p2pmpc.node import ask_at_terminal, report_failure
from p2pmpc.options import NodeOptions
from p2pmpc.progress import Meter
from p2pmpc.storage import check_output
from p2pmpc.study.data.options import DataOptions
from p2pmpc.study.data.tables import is_in_database
from p2pmpc.study.file.questions import ask_study
from p2pmpc.study.file.reading import load_study
from p2pmpc.study.plan import Plan
from p2pmpc.study.report.explaining import show_study
from p2pmpc.study.session.bringing import bring
from p2pmpc.study.session.home import Home, show_home
from p2pmpc.study.session.invitation import Invitation
from p2pmpc.study.session.options import StudyOptions
from p2pmpc.study.session.running import take_part, write_result
from p2pmpc.study.session.seat import (
    check_coordinator,
    check_deadline,
    check_listed,
    name_of,
    weight_of,
    with_parameters,
)
from p2pmpc.study.session.telling import StudyLines
from p2pmpc.study.session.walk import Part, Walked

study_app = App(name="study", help="Write a study file, and read what it asks.")


def run_init() -> int:
    """Make a lasting identity, where there is none yet, and show its ID.

    The key stays in ~/.config/p2pmpc, readable by you alone; the ID is what you send to others.
    """
    try:
        path, identity, is_new = make_lasting(os.urandom)
    except P2PMPCError as error:
        return show_error(error)
    made = "made" if is_new else "kept"
    print(f"{made} {path}; send the ID to whoever writes the study file", file=sys.stderr)
    print(format_id(identity.id))
    return 0


@study_app.command(name="new")
def run_new(
    path: Annotated[Path, Parameter(help="The file to write.")] = Path("study.toml"),
) -> int:
    """Write a study file by answering questions."""
    try:
        if path.exists():
            raise ConfigurationError(f"{path} is there already", hint="name another file")
        text = ask_study(_read_line, lambda line: print(line, file=sys.stderr))
        path.write_text(text, encoding="utf-8")
    except P2PMPCError as error:
        return show_error(error)
    except OSError as error:
        return show_error(ConfigurationError(f"cannot write {path}: {error.strerror}"))
    except (EOFError, KeyboardInterrupt):
        return show_error(Interrupted(signal.SIGINT))
    print(f"wrote {path}; read it with `p2pmpc study show {path}`", file=sys.stderr)
    return 0


def _read_line(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line


@study_app.command(name="show")
def run_show(
    path: Annotated[Path, Parameter(help="The study file.")] = Path("study.toml"),
    *,
    json: Annotated[bool, Parameter(help="Print it as one JSON object.", negative="")] = False,
) -> int:
    """Say in plain words what a study computes, what leaves a machine, and who learns what."""
    try:
        plan = Plan(load_study(path))
    except P2PMPCError as error:
        return show_error(error)
    if json:
        study = plan.study
        content = {
            "title": study.title,
            "digest": study.digest.hex(),
            "parties": study.number_of_parties,
            "columns": list(study.used),
            "statistics": [statistic.title for statistic in study.statistics],
            "groups": len(plan.cells),
            "numbers": plan.length,
            "field": plan.field,
        }
        print(json_module.dumps(content))
    else:
        print(show_study(plan))
    return 0


def run_invite(
    study: Annotated[Path, Parameter(help="The study file.")] = Path("study.toml"),
    *,
    options: StudyOptions | None = None,
    data: DataOptions | None = None,
) -> int:
    """Found the session of a study, and print the one line that the others join with.

    Without --data the coordinator only receives the result, where the study says so.
    """
    return _run(study, None, options or StudyOptions(), data or DataOptions(), dry_run=False)


def run_join(
    invitation: Annotated[str, Parameter(help="The line that the coordinator sent.")],
    *,
    study: Annotated[Path, Parameter(help="The study file.")] = Path("study.toml"),
    dry_run: Annotated[
        bool,
        Parameter(help="Show what would be brought, and connect to nobody.", negative=""),
    ] = False,
    options: StudyOptions | None = None,
    data: DataOptions | None = None,
) -> int:
    """Take part in a study: read the data, show what is asked, ask, and compute together.

    Nothing leaves this machine before you agree, and no row ever does.
    """
    return _run(
        study, invitation, options or StudyOptions(), data or DataOptions(), dry_run=dry_run
    )


def _run(
    path: Path, invitation: str | None, options: StudyOptions, data: DataOptions, *, dry_run: bool
) -> int:
    """Take part, and return the exit code."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold every sum
    try:
        return _take_part(path, invitation, options, data, dry_run=dry_run)
    except P2PMPCError as error:
        return report_failure(error, as_json=options.json, debug=False)
    except KeyboardInterrupt:  # while data are read nothing is up that would take the signal
        return report_failure(Interrupted(signal.SIGINT), as_json=options.json, debug=False)
    except MemoryError:
        exhausted = ResourceExhausted("out of memory", hint="lower --memory, or use Parquet")
        return report_failure(exhausted, as_json=options.json, debug=False)


def _take_part(
    path: Path, invitation: str | None, options: StudyOptions, data: DataOptions, *, dry_run: bool
) -> int:
    plan, invited = _check_request(path, invitation, options, data)
    study = plan.study
    identity, node = _node(plan, invited, options, dry_run=dry_run)
    weight = 1
    if data.data is not None:
        check_listed(study, identity.id)
        weight = weight_of(study, identity.id, read_weight(None)[0])
    is_asked = data.data is not None and not options.yes and not dry_run
    if is_asked:
        _check_terminal()
    lines = StudyLines(
        sys.stderr, study, lambda line: _show_invitation(line, path, options), asks=is_asked
    )
    home = None
    if data.data is not None:
        computing = Meter(lines.tell, "computing", unit="percent")
        home = bring(plan, data, Meter(lines.tell, "reading").at, computing.at)
    _show_all(plan, home, options.own_minimum)
    if dry_run:
        _check_invitation(invited, study.digest)
        print("dry run: nothing was sent, and nobody was told", file=sys.stderr)
        return 0
    if home is not None:
        node = _with_source(node, home)
    ask = ask_at_terminal if is_asked else None
    invited_to = None if invited is None else invited.study
    part = Part(plan, home, weight, options.own_minimum, ask, invited_to)
    walked = _run_privately(node, identity, part, lines)
    trouble = write_result(study, walked.result, options) or walked.trouble
    if trouble is not None:
        print(trouble.describe(), file=sys.stderr)
        return exit_code_of(trouble)
    return 0


def _check_request(
    path: Path, invitation: str | None, options: StudyOptions, data: DataOptions
) -> tuple[Plan, Invitation | None]:
    """Return the plan of the study and what the invitation says, once what was typed can be done.

    Raises:
        P2PMPCError: It cannot.
    """
    _check_outputs(options, path, data)
    if options.own_minimum < 0:
        raise ConfigurationError("--own-minimum is a number of rows, not below zero")
    invited = None if invitation is None else Invitation.parse(invitation)
    study = load_study(path)
    check_deadline(study, dt.datetime.now(dt.UTC))
    plan = Plan(study)
    if invited is None:
        check_coordinator(study, brings_data=data.data is not None)
    elif data.data is None:
        raise ConfigurationError("no data is named", hint="name your file with --data FILE")
    return plan, invited


def _run_privately(node: NodeOptions, identity: Identity, part: Part, lines: StudyLines) -> Walked:
    """Take part, and leave evidence that nobody else on this machine can read: it tells small counts."""
    before = os.umask(0o077)
    try:
        return trio.run(take_part, node, identity, part, lines)
    finally:
        os.umask(before)


def _check_outputs(options: StudyOptions, study: Path, data: DataOptions) -> None:
    """Refuse files of a result that could not be written, or over what it is made of, or over each other.

    Raises:
        ConfigurationError: There is one.
    """
    taken = {study.resolve(): "the study file", (options.key or default_key()).resolve(): "the key"}
    if data.data is not None and not is_in_database(data):
        taken[Path(data.data).resolve()] = "the data"
    for name, path in (("--csv", options.csv), ("--report", options.report)):
        check_output(path)
        if path is None:
            continue
        if path.resolve() in taken:
            raise ConfigurationError(
                f"{name} {path} would overwrite {taken[path.resolve()]}", hint="name another file"
            )
        taken[path.resolve()] = f"what {name} writes"


def _check_terminal() -> None:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigurationError(
            "nobody can be asked here: standard input or standard error is no terminal",
            hint="read the study with `p2pmpc study show`, then say --yes",
        )


def _node(
    plan: Plan, invited: Invitation | None, options: StudyOptions, *, dry_run: bool
) -> tuple[Identity, NodeOptions]:
    """Return this peer's identity, and the options of the session below."""
    if dry_run and options.key is None and not default_key().exists():
        identity, key = Identity.generate(os.urandom), None  # nobody will see it
    else:
        key = lasting_key(options.key, os.urandom)
        identity = load(key)
    node = NodeOptions(
        listen=options.listen,
        advertise=options.advertise,
        bootstrap=None if invited is None else invited.bootstrap,
        key=None if key is None else str(key),
        name=name_of(plan.study, identity.id, options.name),
        weight=0,
        timeout=options.timeout,
        join_timeout=options.join_timeout,
        no_state=True,
        keep_partials=True,
        accept_differencing=options.accept_differencing,
        yes=True,  # the question of a study says more than that of a node
        log_dir=None if options.log_dir is None else str(options.log_dir),
    )
    return identity, with_parameters(plan, node)


def _with_source(node: NodeOptions, home: Home) -> NodeOptions:
    """Return options of one that contributes: its rows are weighed at home, so its weight is 1."""
    return replace(node, weight=1, made_of=home.made_of)


def _check_invitation(invited: Invitation | None, digest: bytes) -> None:
    if invited is not None and invited.study != digest:
        raise AgreementFailed(
            f"the invitation is to another study: {invited.study.hex()[:16]} there, "
            f"{digest.hex()[:16]} here",
            hint="use the study file that came with the invitation",
        )


def _show_all(plan: Plan, home: Home | None, own_minimum: int) -> None:
    """Show what is asked, what leaves, and which rows are used, before anything leaves."""
    print(show_study(plan), file=sys.stderr)
    if home is not None:
        print(f"\n{show_home(plan, home, own_minimum)}\n", file=sys.stderr)


def _show_invitation(invitation: Invitation, path: Path, options: StudyOptions) -> None:
    """Print the line that the others join with: to a pipe as it is, to people with what to do."""
    local = options.listen is None and options.advertise is None
    if local:
        print(
            "warning: only this machine reaches the address; use --listen HOST:PORT for others",
            file=sys.stderr,
        )
    print("send this line, and the study file, to the parties; they type\n", file=sys.stderr)
    study = shlex.quote(path.name)
    print(f"    p2pmpc join {invitation} --study {study} --data FILE\n", file=sys.stderr)
    # A script finds it alone on a line: of stdout, or of stderr where stdout is one JSON object.
    print(invitation, flush=True, file=sys.stderr if options.json else sys.stdout)
