"""The table of `make bench`: its columns are as wide as they are, so that a row can be shown as soon as it is known."""

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

Row = tuple[str, str, str, str]
"""What, measured, budget, how."""
Part = Callable[[Path], Iterable[Row]]
HEADER: Row = ("what", "measured", "budget", "how")
LONGEST_ERROR = 200
COLUMNS = "{:<44} {:<14} {:<20} {}"


def fill(parts: Mapping[str, Part], folder: Path) -> int:
    """The exit code. A part that fails is told of in a line of its own, and the others go on."""
    show(HEADER)
    failed = []
    for name, measure in parts.items():
        try:
            for row in measure(folder / name):
                show(row)
        except Exception as error:  # noqa: BLE001 - whatever it is: an hour of other figures must not be lost with it
            failed.append(name)
            show((name, "FAILED", "", _told(error)))
            sys.excepthook(type(error), error, error.__traceback__)
    if failed:
        print(f"FAILED: {', '.join(failed)}", flush=True)
    return 1 if failed else 0


def show(row: Row) -> None:
    print(COLUMNS.format(*row).rstrip(), flush=True)


def _told(error: Exception) -> str:
    said = str(error).strip().partition("\n")[0][:LONGEST_ERROR]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
