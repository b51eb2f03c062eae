"""The tables of `[[orgs]]` as entries, and everything in them that is wrong, each with file and line."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from site2crm.core.config_lines import Place
from site2crm.core.config_sources import ORGS, Problem, Written
from site2crm.core.declared.contract import Declares, Entry
from site2crm.core.errors import FieldError, Invalid

_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
KEY_RULE = "1 to 60 small letters, digits, _ and -; it names this entry for good, so never change it."
NAMING = ("key", "id")
"""What every entry may have: its name in the file, and the record that it takes over."""


class Declaration(msgspec.Struct, frozen=True):
    """In the order in which they are applied: an org, then what belongs to it, table by table."""

    entries: list[Entry]
    problems: list[Problem]


class _Reader:
    def __init__(
        self, written: Written, kinds: Mapping[str, Declares], *, env: Mapping[str, str], folder: Path
    ) -> None:
        self.written = written
        self.kinds = kinds
        self.env = env
        self.folder = folder
        self.problems: list[Problem] = []

    def entries(self) -> Iterator[Entry]:
        for number, org in self._tables(ORGS, self.written.orgs, (ORGS,)):
            key = self._key(org, (ORGS, number))
            tables = [table for table in self.kinds if table != ORGS]
            below = {table: self._below(org, table, number) for table in tables}
            siblings = {table: [str(values.get("key", "")) for _, values in listed] for table, listed in below.items()}
            own = {name: value for name, value in org.items() if f"{ORGS}.{name}" not in below}
            yield self._entry(ORGS, key, own, siblings, (ORGS, number))
            for table, listed in below.items():
                name = table.partition(".")[2]
                for index, values in listed:
                    place = (ORGS, number, name, index)
                    yield self._entry(table, f"{key}/{name}/{self._key(values, place)}", values, siblings, place)

    def _entry(
        self,
        table: str,
        path: str,
        values: Mapping[str, object],
        siblings: Mapping[str, Sequence[str]],
        place: Place,
    ) -> Entry:
        return Entry(
            table=table,
            path=path,
            key=path.rpartition("/")[2],
            values=values,
            siblings=siblings,
            written=self.written,
            place=place,
            env=self.env,
            folder=self.folder,
        )

    def _below(self, org: Mapping[str, object], table: str, number: int) -> list[tuple[int, dict[str, object]]]:
        name = table.partition(".")[2]
        return list(self._tables(table, org.get(name, []), (ORGS, number, name)))

    def _tables(self, table: str, value: object, place: Place) -> Iterator[tuple[int, dict[str, object]]]:
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.note(place, table, f"write [[{table}]] with two brackets, its settings on the lines below")
            return
        yield from enumerate(value)

    def _key(self, values: Mapping[str, object], place: Place) -> str:
        key = values.get("key")
        if isinstance(key, str) and _KEY.fullmatch(key):
            return key
        self.note((*place, "key"), "key", "is needed: " + KEY_RULE if key is None else KEY_RULE)
        return str(key or f"number {place[-1]}")

    def note(self, place: Place, key: str, message: str) -> None:
        self.problems.append(Problem(str(self.written.path), self.written.line(place), key, message))


def read(written: Written, kinds: Mapping[str, Declares], *, env: Mapping[str, str], folder: Path) -> Declaration:
    """`kinds`: by table, in the order in which they are applied. `folder`: where relative secret files lie."""
    reader = _Reader(written, kinds, env=env, folder=folder)
    entries = list(reader.entries())
    problems = [*reader.problems, *_twice(entries)]
    for entry in entries:
        problems += [entry.problem(fault) for fault in _faults(entry, kinds[entry.table])]
    return Declaration(entries, sorted(problems, key=lambda problem: problem.line or 0))


def _twice(entries: Iterable[Entry]) -> Iterator[Problem]:
    seen: dict[str, Entry] = {}
    for entry in entries:
        first = seen.setdefault(entry.path, entry)
        if first is not entry:
            message = f"{entry.key!r} is at line {first.written.line((*first.place, 'key'))} already; keys are unique"
            yield entry.problem(FieldError("key", message))


def _faults(entry: Entry, kind: Declares) -> list[FieldError]:
    known = [*NAMING, *kind.keys(entry)]
    faults = [FieldError(name, _unknown(name, known)) for name in entry.values if name not in known]
    try:
        kind.check(entry)
    except Invalid as invalid:
        faults += invalid.errors or [FieldError("", invalid.detail)]
    return faults


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f'unknown; did you mean "{near[0]}"?' if near else f"unknown; there are {', '.join(known)}"
