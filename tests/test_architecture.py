"""Imports point one way, and the core does no I/O."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import p2pmpc

# A module may import from the layers above its own, and from nothing beside or below it.
CORE = (
    ("absence", "errors", "hashing"),
    ("study_text",),
    ("entropy", "field", "ratchet", "shamir", "slices", "weights"),
    ("canonical", "identity", "product"),
    ("prg",),
    ("encoding", "sharing"),
    ("blocks", "lines", "npy", "parameters", "residues", "totals"),
    ("messages",),
    ("frames",),
    ("evidence", "script"),
    ("wire",),
    ("kept", "session"),
    ("early", "envelope", "ledger", "pulse", "quota", "record"),
    ("actions", "dealing"),
    ("opening", "summing"),
    ("disputes",),
    ("endings", "hearing"),
    ("agreement", "membership", "steps", "witness"),
    ("joints",),
    ("protocol",),
    ("transcript",),
    ("exhibit", "receipt"),
    (
        "study.file.places",
        "study.kinds",
        "study.masking",
        "study.report.style",
        "study.session.invitation",
        "study.session.study_receipt",
        "study.statistics.sweeping",
    ),
    ("study.model", "study.result"),
    ("study.file.parsing", "study.report.words", "study.terms"),
    (
        "study.file.statistic_tables",
        "study.partition",
        "study.report.described",
        "study.report.remarks",
        "study.report.result_csv",
        "study.report.result_json",
        "study.report.svg",
    ),
    ("study.disclosure", "study.report.asked", "study.report.learned", "study.report.plots"),
    ("study.levels", "study.plan"),
    (
        "study.file.study_file",
        "study.plausible",
        "study.report.explaining",
        "study.statistics.exact",
    ),
    (
        "study.file.questions",
        "study.report.sections",
        "study.statistics.hidden",
        "study.statistics.inference",
        "study.statistics.matrices",
        "study.statistics.moments",
    ),
    (
        "study.report.pictures",
        "study.report.showing",
        "study.statistics.grids",
        "study.statistics.regression",
        "study.statistics.tables",
    ),
    ("study.answers", "study.report.page"),
    ("study.conclusion",),
)
SHELL = (
    ("descriptors", "storage"),
    (
        "app",
        "contents",
        "keys",
        "logs",
        "network",
        "outcome",
        "patience",
        "progress",
        "returns",
    ),
    ("identity_file", "ledger_file", "links", "state_file", "sources", "tls", "verify"),
    ("lobby",),
    ("gate", "inputs", "knock", "reading"),
    ("dialling", "discovery", "witness_links"),
    ("joining", "mesh", "roster_file"),
    ("inbox", "options"),
    ("archive", "consent", "memory"),
    ("finding", "runner"),
    ("peer",),
    ("start",),
    ("interruption", "library"),
    ("node",),
    ("blocking",),
    ("swarm.options", "swarm.watch"),
    ("swarm.data", "swarm.forked"),
    ("swarm.orders", "swarm.zygote"),
    ("swarm.in_process", "swarm.processes"),
    ("swarm.report",),
    ("swarm.command",),
    (
        "study.data.cubes",
        "study.data.engines",
        "study.data.faults",
        "study.data.options",
        "study.data.violations",
        "study.demo.data",
        "study.demo.running",
        "study.file.reading",
        "study.session.evidence",
        "study.session.home",
        "study.session.options",
        "study.session.seat",
        "study.session.telling",
    ),
    (
        "study.data.cells",
        "study.data.excel_errors",
        "study.data.expression",
        "study.data.headers",
        "study.data.postgres",
        "study.data.rejected",
        "study.data.report",
        "study.data.sql",
        "study.data.text_source",
        "study.session.walk",
    ),
    (
        "study.data.aggregating",
        "study.data.csv_scan",
        "study.data.staging",
        "study.session.running",
    ),
    (
        "study.data.csv_records",
        "study.data.parquet_file",
        "study.data.tables",
        "study.data.value_rows",
    ),
    ("study.data.csv_file", "study.data.excel_file", "study.data.sqlite_file"),
    ("study.data.files",),
    ("study.data.check", "study.session.bringing"),
    ("study.data.command", "study.session.command"),
    ("study.demo.command", "study.demo.parties"),
    ("inspecting",),
    ("cli",),
)
LAYERS = CORE + SHELL
HEIGHT = {name: height for height, layer in enumerate(LAYERS) for name in layer}
CORE_MODULES = sorted(name for layer in CORE for name in layer)

NOT_IN_THE_CORE = frozenset(
    {
        *("asyncio", "cyclopts", "multiprocessing", "os", "pathlib", "random", "rich", "secrets"),
        *("select", "signal", "socket", "ssl", "structlog", "subprocess", "sys", "tempfile"),
        *("threading", "time", "trio"),
    }
)
"""Entropy and time are arguments, and bytes come and go through the shell."""

MACHINES = frozenset(
    {
        *("dealing", "agreement", "disputes", "hearing", "joints", "membership", "opening"),
        *("protocol", "ratchet", "steps", "summing", "witness"),
    }
)

ROOT = Path(p2pmpc.__file__).parent
PACKAGES = frozenset(
    ".".join(path.parent.relative_to(ROOT.parent).parts) for path in ROOT.rglob("__init__.py")
)
"""What one imports modules from by name."""


def modules() -> dict[str, Path]:
    """Return every module of the package, without its folders' own files."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in sorted(ROOT.rglob("*.py"))
        if path.name != "__init__.py"
    }


def imported_by(path: Path) -> set[str]:
    """Return the full names of what a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import"
            assert node.module is not None
            if node.module in PACKAGES:
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
            else:
                names.add(node.module)
    return names - {"p2pmpc.__version__"}


def own_imports(path: Path) -> set[str]:
    """Return the modules of this package that a module imports."""
    prefix = "p2pmpc."
    return {name.removeprefix(prefix) for name in imported_by(path) if name.startswith(prefix)}


def foreign_imports(path: Path) -> set[str]:
    """Return the top-level names of everything else that a module imports."""
    return {name.split(".")[0] for name in imported_by(path)} - {"p2pmpc"}


def test_every_module_has_a_layer() -> None:
    """The table above names every module once, and none that is not there."""
    found = set(modules())
    assert not found - set(HEIGHT), f"add to a layer in {Path(__file__).name}"
    assert not set(HEIGHT) - found, f"remove from the layers in {Path(__file__).name}"
    assert len(HEIGHT) == sum(map(len, LAYERS))


@pytest.mark.parametrize("name", sorted(set(modules()) & set(HEIGHT)))
def test_imports_point_one_way(name: str) -> None:
    """A module imports only from layers above its own."""
    height = HEIGHT[name]
    wrong = {other for other in own_imports(modules()[name]) if HEIGHT.get(other, 0) >= height}
    assert not wrong, f"{name} imports {', '.join(sorted(wrong))} from beside or below itself"


@pytest.mark.parametrize("name", CORE_MODULES)
def test_the_core_does_no_input_or_output(name: str) -> None:
    """Neither the loop, nor files, sockets, clocks, entropy or logs are within reach of the core."""
    assert not foreign_imports(modules()[name]) & NOT_IN_THE_CORE


def test_only_one_module_reads_msgpack() -> None:
    """There is one codec."""
    assert [n for n, path in modules().items() if "msgpack" in foreign_imports(path)] == [
        "canonical"
    ]


def test_the_round_never_sees_bytes() -> None:
    """The machines of a round know messages; frames and encodings are not their business."""
    for name in ("protocol", "joints", "steps", "hearing", "opening", "script"):
        assert not own_imports(modules()[name]) & {"canonical", "frames", "wire"}


def test_the_codec_never_sees_state() -> None:
    """What a message means to a session or a round is not the codec's business."""
    for name in ("canonical", "frames", "wire"):
        assert not own_imports(modules()[name]) & {*MACHINES, "envelope", "session"}


def test_the_swarm_reaches_peers_only_as_others_do() -> None:
    """The launcher holds no machine of a peer in its hands."""
    for name, path in modules().items():
        if name.startswith("swarm."):
            assert not own_imports(path) & MACHINES
