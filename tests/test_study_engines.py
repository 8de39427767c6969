"""DuckDB reaches the one file that it was opened for, and nothing else."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from p2pmpc.errors import ConfigurationError, ResourceExhausted
from p2pmpc.study.data.engines import name_for_duckdb, open_duckdb


def _file(folder: Path, name: str, value: int) -> Path:
    path = folder / name
    path.write_text(f"a\n{value}\n")
    return path


def _read(connection: duckdb.DuckDBPyConnection, name: str) -> object:
    query = "SELECT a FROM read_csv($name, columns = {a: 'INT'}, header = true)"
    return connection.execute(query, {"name": name}).fetchall()


@pytest.mark.parametrize("name", ["plain.csv", "[a].csv", "*.csv", "w?[*.csv", "q'u\\o.csv"])
def test_a_file_is_read_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    """A name with the characters of a pattern is that file, and not those that the pattern fits."""
    _file(tmp_path, "a.csv", 1)
    path = _file(tmp_path, name, 7)
    with open_duckdb(path) as connection:
        assert _read(connection, name_for_duckdb(path)) == [(7,)]


def test_a_link_is_read(tmp_path: Path) -> None:
    """A file may be named by a link to it."""
    link = tmp_path / "link.csv"
    link.symlink_to(_file(tmp_path, "a.csv", 3))
    with open_duckdb(link) as connection:
        assert _read(connection, name_for_duckdb(link)) == [(3,)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('{folder}/other.csv')",
        "SELECT * FROM '{folder}/other.csv'",
        "SELECT * FROM read_csv('{folder}/*.csv')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('{folder}/*')",
        "SELECT * FROM read_csv('https://example.org/x.csv')",
        "INSTALL httpfs",
        "LOAD httpfs",
        "ATTACH '{folder}/other.db'",
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "COPY (SELECT 1) TO '{folder}/one.csv'",
        "EXPORT DATABASE '{folder}/export'",
        "SET memory_limit = '2GB'",
        "SET allowed_paths = ['{folder}/other.csv']",
        "SET enable_external_access = true",
        "SET temp_directory = '{folder}/spilled'",
        "SET lock_configuration = false",
        "RESET lock_configuration",
        "PRAGMA threads = 1",
    ],
)
def test_nothing_else_is_within_reach(tmp_path: Path, statement: str) -> None:
    """Another file, an address, an extension, an export and another setting are all refused."""
    path, _ = _file(tmp_path, "one.csv", 1), _file(tmp_path, "other.csv", 2)
    before = sorted(tmp_path.iterdir())
    with open_duckdb(path) as connection:
        with pytest.raises((duckdb.PermissionException, duckdb.InvalidInputException)):
            connection.execute(statement.format(folder=tmp_path)).fetchall()
        assert _read(connection, str(path)) == [(1,)]
    assert sorted(tmp_path.iterdir()) == before


def test_variables_of_the_program_are_no_tables() -> None:
    """A query cannot read what happens to be named like its table in Python."""
    rows = duckdb.sql("SELECT 1")
    assert rows is not None
    with open_duckdb() as connection, pytest.raises(duckdb.CatalogException):
        connection.execute("SELECT * FROM rows")


def test_rows_are_never_spilled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit the memory is refused, and no file is left."""
    monkeypatch.chdir(tmp_path)
    with (
        pytest.raises(ResourceExhausted, match="more than the 20MB of memory"),
        open_duckdb(memory="20MB", threads=1) as connection,
    ):
        connection.execute("CREATE TABLE t AS SELECT hash(range) AS h FROM range(5000000)")
    assert not list(tmp_path.iterdir())


def test_a_limit_that_is_none_is_refused() -> None:
    """A memory limit or a number of threads that DuckDB does not know is the caller's mistake."""
    with pytest.raises(ConfigurationError, match="'plenty'"), open_duckdb(memory="plenty"):
        pass
    with pytest.raises(ConfigurationError, match="threads 0"), open_duckdb(threads=0):
        pass


def test_without_the_extra_the_command_to_install_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where DuckDB is not installed, the error says how to install it."""
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    with pytest.raises(ConfigurationError) as caught, open_duckdb():
        pass
    assert caught.value.hint == "in the folder of the README: pip install '.[data]'"


_ONLY_DECLARED = """
import importlib.metadata as metadata, re, sys, tomllib
from pathlib import Path

def name_of(requirement):
    return re.sub(r"[-_.]+", "-", re.match(r"[A-Za-z0-9._-]+", requirement)[0]).lower()

root, folder = map(Path, sys.argv[1:3])
project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
waiting = [*project["dependencies"], *project["optional-dependencies"]["data"]]
declared = set()
while waiting:
    name = name_of(waiting.pop())
    if name not in declared:
        declared.add(name)
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # one that only another system needs
            continue
        waiting += [one for one in needed if "extra ==" not in one]
installed = metadata.packages_distributions()

class OnlyDeclared:
    def find_spec(self, name, path=None, target=None):
        owners = installed.get(name.partition(".")[0])
        if owners and declared.isdisjoint(map(name_of, owners)) and not name.startswith("p2pmpc"):
            raise ModuleNotFoundError(f"No module named {name!r}: not declared", name=name)
        return None

sys.meta_path.insert(0, OnlyDeclared())
try:
    import pytest
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("nothing is held back")
from p2pmpc.cli import app
study = folder / "study.toml"
app(["join", sys.argv[3], "--study", str(study), "--data", str(folder / "rows.csv"), "--dry-run"])
"""
"""Runs ``join --dry-run`` where no package can be imported that the extra does not bring."""

_SMALL = """
title = "t"
purpose = "p"
parties = 3
[columns.x]
type = "integer"
minimum = 0
maximum = 9
[[statistic]]
kind = "mean"
column = "x"
"""


def test_the_extra_brings_all_that_summing_imports(tmp_path: Path) -> None:
    """With the declared packages alone a table is read and summed: the tests' own packages hide none."""
    (tmp_path / "study.toml").write_text(_SMALL)
    (tmp_path / "rows.csv").write_text("x\n" + "1\n" * 7)
    root = Path(__file__).parent.parent
    invitation = f"127.0.0.1:9#{'0' * 64}/{hashlib.sha256(_SMALL.encode()).hexdigest()}"
    done = subprocess.run(
        [sys.executable, "-c", _ONLY_DECLARED, str(root), str(tmp_path), invitation],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(root), "XDG_CONFIG_HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert "7 rows count" in done.stderr
    assert "dry run" in done.stderr
