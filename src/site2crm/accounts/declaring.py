"""`[[orgs]]` of the configuration file: an org for each client of the agency."""

from collections.abc import Callable, Collection, Sequence
from functools import partial

from msgspec import Struct

from site2crm.accounts import names, orgs, queries, users
from site2crm.accounts.models import User
from site2crm.accounts.orgs import OrgChange
from site2crm.core.config_sources import ORGS
from site2crm.core.declared.contract import Difference, Entry, NotYet, Row, Work
from site2crm.core.declared.shape import shaped
from site2crm.core.errors import FieldError, Invalid, NotFound


class Wanted(Struct, frozen=True):
    """`owner`: the address of a user, the first owner of the instance if left out."""

    name: str = ""
    slug: str = ""
    time_zone: str = "UTC"
    country: str = ""
    owner: str = ""


class Orgs:
    """An org that exists already under the entry's slug is taken over; members are never taken away."""

    table = ORGS

    def keys(self, entry: Entry) -> Collection[str]:
        return Wanted.__struct_fields__

    def check(self, entry: Entry) -> None:
        wanted = shaped(Wanted, entry.values)
        rules = (
            partial(names.needed, entry.name),
            partial(orgs.checked_slug, wanted.slug or entry.key),
            partial(orgs.checked_zone, wanted.time_zone),
            partial(orgs.checked_country, wanted.country),
        )
        if faults := [fault for rule in rules for fault in _refused(rule)]:
            raise Invalid(faults[0].message, errors=faults)

    def locks(self, entry: Entry) -> Collection[str]:
        return {"name", "slug", *(entry.values.keys() & {"time_zone", "country"})}

    async def find(self, work: Work, entry: Entry) -> str | None:
        try:
            return (await queries.org_of_slug(work.session, _slug(entry))).id
        except NotFound:
            return None

    async def differences(self, work: Work, entry: Entry, *, row: Row) -> Sequence[Difference] | None:
        try:
            org = await queries.org(work.session, row.id)
        except NotFound:
            return None
        pairs = {name: (getattr(org, name), value) for name, value in _values(entry).items()}
        return [Difference(name, was, is_) for name, (was, is_) in pairs.items() if was != is_]

    async def create(self, work: Work, entry: Entry) -> str:
        owner = await _owner(work, entry)
        made = await orgs.create(work.session, owner.id, **_values(entry))
        return made.id

    async def change(self, work: Work, entry: Entry, *, row: Row) -> None:
        await orgs.declare(work.session, row.id, OrgChange(**_values(entry)))

    async def release(self, work: Work, row_id: str, *, source: str) -> None:
        """It stays with all that it has."""


def _values(entry: Entry) -> dict[str, str]:
    """What is left out of the file is left as it is."""
    given = {name: str(entry.values[name]) for name in ("time_zone", "country") if name in entry.values}
    if "country" in given:
        given["country"] = orgs.checked_country(given["country"])
    return {"name": names.needed(entry.name), "slug": _slug(entry), **given}


def _slug(entry: Entry) -> str:
    return str(entry.values.get("slug") or entry.key)


async def _owner(work: Work, entry: Entry) -> User:
    address = str(entry.values.get("owner", ""))
    if address:
        found = await users.of_email(work.session, address)
        if found is None and await users.any_exists(work.session):
            cure = f"First: site2crm admin create --email {address}"
            raise Invalid.field("owner", f"Nobody here has the address {address}. {cure}")
    else:
        found = await users.first(work.session)
    if found is None:
        raise NotYet("the first owner is set up")
    return found


def _refused(rule: Callable[[], str]) -> list[FieldError]:
    try:
        rule()
    except Invalid as invalid:
        return list(invalid.errors)
    return []
