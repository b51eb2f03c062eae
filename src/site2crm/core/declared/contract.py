"""An entry of the configuration file, and what a feature has to say about its table."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import config_keys
from site2crm.core.access import OrgRef
from site2crm.core.config_lines import Place
from site2crm.core.config_sources import Problem, Written
from site2crm.core.crypto import Vault
from site2crm.core.errors import FieldError, Invalid

_INDEX = re.compile(r"\[(\d+)\]\.?")
_NAME = re.compile(r"(.[^.\[]*)\.?", re.DOTALL)


class Entry(Struct, frozen=True, kw_only=True):
    """One table. `values` are as written, without the tables below it that are entries themselves."""

    table: str
    """"orgs", or below it "orgs.forms"."""
    path: str
    """Names it for good: "acme", "acme/forms/contact"."""
    key: str
    values: Mapping[str, object]
    siblings: Mapping[str, Sequence[str]]
    """The keys of the tables of the same org, by table: {"orgs.forms": ["contact"]}."""
    written: Written
    place: Place
    env: Mapping[str, str]
    folder: Path
    """Where relative secret files lie."""

    def __repr__(self) -> str:
        return f"Entry({self.path})"

    @property
    def source(self) -> str:
        """Such as "site2crm.toml line 42"."""
        return self.written.source(self.place)

    @property
    def name(self) -> str:
        named = self.values.get("name")
        return named if isinstance(named, str) and named.strip() else self.key

    def secret(self, name: str) -> str:
        """A text that may be { env = } or { file = }. Raises Invalid naming it."""
        try:
            return str(config_keys.resolve(self.values[name], env=self.env, folder=self.folder, makes_file=False))
        except ValueError as error:
            raise Invalid.field(name, str(error)) from error

    def problem(self, error: FieldError) -> Problem:
        """With the line of what it is about; `error.field` is below the entry, such as `fields[2].name`."""
        place = (*self.place, *_parts(error.field, self.values))
        key = f"{self.path} {error.field}".strip()
        return Problem(str(self.written.path), self.written.line(place), key, error.message)


class Difference(NamedTuple):
    """What would change; secrets are never shown."""

    name: str
    before: str
    after: str


class Row(Struct, frozen=True, kw_only=True):
    """The record of an entry; `was_gone`: the entry had been removed from the file and is back."""

    id: str
    was_gone: bool = False


class Work(Struct, frozen=True, kw_only=True):
    """What comparing and writing an entry needs. No call leaves the process from there."""

    session: AsyncSession
    vault: Vault
    org: OrgRef | None
    """None for an org that does not exist yet."""
    ids: Mapping[str, str]
    """Path of an entry -> the id of its record, as far as there are any."""


class NotYet(Exception):
    """It cannot be applied before something else has happened, such as the first setup; it is tried again then."""


class Declares(Protocol):
    """What a feature knows of one table. Faults are `Invalid`, their fields named as in the file."""

    @property
    def table(self) -> str: ...

    def keys(self, entry: Entry) -> Collection[str]:
        """What may stand in it, beside `key` and `id`."""
        ...

    def check(self, entry: Entry) -> None:
        """Raises Invalid with everything that can be known to be wrong without the records."""
        ...

    def locks(self, entry: Entry) -> Collection[str]:
        """The parts of the record that only the file changes from now on."""
        ...

    async def find(self, work: Work, entry: Entry) -> str | None:
        """The id of a record that was made by hand and is taken over: the one that the entry names. Raises Invalid."""
        ...

    async def differences(self, work: Work, entry: Entry, *, row: Row) -> Sequence[Difference] | None:
        """None: there is no such record any more."""
        ...

    async def create(self, work: Work, entry: Entry) -> str:
        """The id of the new record."""
        ...

    async def change(self, work: Work, entry: Entry, *, row: Row) -> None: ...

    async def release(self, work: Work, row_id: str, *, source: str) -> None:
        """The entry is gone from the file: what is done with its record, which stays. A deleted one is no error."""
        ...


def _parts(field: str, values: Mapping[str, object]) -> Place:
    """`fields[2].name` as ("fields", 2, "name"); a key that holds dots itself is found as it is."""
    parts: list[str | int] = []
    at: object = values
    left = field
    while left:
        name, left = _next_part(left, at)
        parts.append(name)
        at = at.get(name) if isinstance(at, Mapping) else None
    return tuple(parts)


def _next_part(field: str, at: object) -> tuple[str | int, str]:
    """The next name, and what is left: the longest that is a key there, else up to the next dot or bracket."""
    if isinstance(at, Mapping):
        whole = [key for key in at if field == key or field.startswith((f"{key}.", f"{key}["))]
        if whole:
            name = max(whole, key=len)
            return name, field[len(name) :].removeprefix(".")
    if found := _INDEX.match(field):
        return int(found[1]), field[found.end() :]
    found = _NAME.match(field)
    assert found is not None
    return found[1], field[found.end() :]
