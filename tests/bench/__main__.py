"""`make bench`: the budgets as a table, each beside what a bare server does in the same minute.

Absolute numbers belong to one machine and one minute; the ratios are what to compare between versions.
`python -m tests.bench [--only ready,backfill]`. Exit code 1 if a part could not be measured.
"""

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

from tests.bench import backfill, crms, events, intake, lists, overview, redirects, starting, table, wrk
from tests.bench.salesrooms.rooms import ROOMS
from tests.bench.table import Part

PARTS: dict[str, Part] = {
    "ready": starting.measure,
    "intake": intake.measure,
    "lists": lists.measure,
    "deliveries": crms.measure,
    **{f"backfill-{kind}": partial(backfill.measure, kind) for kind in ROOMS},
    "redirects": redirects.measure,
    "events": events.measure,
    "overview": overview.measure,
}
WITH_WRK = ("intake", "redirects")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    names = ", ".join(PARTS)
    parser.add_argument("--only", default="", help=f"parts, separated by commas: {names}; backfill is each of them")
    wanted = [name for name in parser.parse_args().only.replace(" ", "").split(",") if name]
    if unknown := set(wanted) - {_group(name) for name in PARTS} - set(PARTS):
        parser.error(f"{', '.join(sorted(unknown))}: there is only {names}")
    chosen = {name: part for name, part in PARTS.items() if not wanted or {name, _group(name)} & set(wanted)}
    if chosen.keys() & set(WITH_WRK):
        wrk.needed()
    with tempfile.TemporaryDirectory(prefix="s2c-bench-", ignore_cleanup_errors=True) as folder:
        return table.fill(chosen, Path(folder))


def _group(name: str) -> str:
    return name.partition("-")[0]


if __name__ == "__main__":
    sys.exit(main())
