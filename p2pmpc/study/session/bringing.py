"""Brings a party's rows home, from a file or a database: checked, and as the sums of the study."""

from __future__ import annotations

from p2pmpc.sources import Watch, unwatched
from p2pmpc.study.data.aggregating import aggregate
from p2pmpc.study.data.engines import duckdb_source
from p2pmpc.study.data.files import load
from p2pmpc.study.data.options import DataOptions
from p2pmpc.study.data.tables import is_in_database, open_table
from p2pmpc.study.plan import Plan
from p2pmpc.study.session.home import Home, check_rows, digest_of_file


def bring(
    plan: Plan, options: DataOptions, watch: Watch = unwatched, computing: Watch = unwatched
) -> Home:
    """Return what this party has.

    Args:
        plan: Of the study.
        options: Where its rows are, and how they are written.
        watch: Told how far the reading is.
        computing: Told how far the engine's queries are, in hundredths.

    Raises:
        ConfigurationError: The options, or what is installed, do not fit.
        InputRefused: The data are not what the study declares; names file, line and column.
        ResourceExhausted: The engine has not enough memory.
    """
    made_of = b""
    if is_in_database(options):
        with open_table(plan.study, options) as source:
            aggregates, found = aggregate(source, plan.study, plan.terms)
        read, name = found.rows, found.table
    else:
        with load(plan.study, options, watch, computing) as (connection, report):
            source = duckdb_source(connection, str(options.data))
            aggregates, _ = aggregate(source, plan.study, plan.terms)
            made_of = digest_of_file(options.path)
        read, name = report.counts.read, str(options.data)
    home = Home(name, sum(aggregates.counts), read, aggregates, made_of)
    check_rows(plan, home)
    return home
