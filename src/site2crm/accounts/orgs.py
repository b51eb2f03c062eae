"""Organisations: one is one client of the agency."""

import functools
import re
import zoneinfo

import phonenumbers
from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import members, names, queries
from site2crm.accounts.errors import SlugTaken
from site2crm.accounts.events import OrgChanged, OrgCreated
from site2crm.accounts.models import Org
from site2crm.accounts.permissions import Role
from site2crm.accounts.queries import OrgOut
from site2crm.core.declared import books
from site2crm.core.errors import Invalid
from site2crm.core.events import emit
from site2crm.kit import clock, ids
from site2crm.kit.text import fold

_RESERVED = """
admin agency all api app appsumo assets billing blog dashboard docs help hooks login logout me new null o oauth org orgs
partner profile public reset root settings setup site2crm static status support system team test undefined user users
www
"""
SLUG_RULE = "2 to 40 small letters, digits and hyphens, beginning and ending with a letter or digit."
RESERVED = frozenset(_RESERVED.split())

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,38}[a-z0-9]")
_NOT_SLUG = re.compile(r"[^a-z0-9]+")


class OrgChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays."""

    name: str | UnsetType = UNSET
    slug: str | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET
    country: str | None | UnsetType = UNSET


async def create(
    session: AsyncSession, owner_id: str, *, name: str, slug: str = "", time_zone: str = "UTC", country: str = ""
) -> OrgOut:
    """An org with its first owner; without a slug one is made from the name. Raises Invalid, SlugTaken."""
    tidy = names.needed(name)
    row = Org(
        id=ids.new("org"),
        slug=checked_slug(slug) if slug else await _free_slug(session, tidy),
        name=tidy,
        time_zone=checked_zone(time_zone),
        country=checked_country(country),
        created_at=clock.now(),
    )
    session.add(row)
    try:
        await session.flush()
    except IntegrityError as error:
        raise SlugTaken(row.slug) from error
    await members.add(session, row.id, user_id=owner_id, role=Role.OWNER)
    await emit(session, OrgCreated(org_id=row.id, slug=row.slug, name=row.name, owner_id=owner_id))
    return OrgOut(row.id, row.slug, row.name, row.time_zone, row.country, row.created_at)


async def change(session: AsyncSession, org_id: str, change: OrgChange) -> OrgOut:
    """Raises Invalid, SlugTaken, DeclaredInFile. A new slug changes all addresses of the dashboard, not the forms."""
    before = await queries.org(session, org_id)
    after = await declare(session, org_id, change)
    changed = [name for name in OrgChange.__struct_fields__ if getattr(before, name) != getattr(after, name)]
    await books.expect_free(session, org_id, changed)
    return after


async def declare(session: AsyncSession, org_id: str, change: OrgChange) -> OrgOut:
    """As `change`, by the configuration file itself."""
    values: dict[str, str] = {}
    if change.name is not UNSET:
        values["name"] = names.needed(change.name)
    if change.slug is not UNSET:
        values["slug"] = checked_slug(change.slug)
    if change.time_zone is not UNSET:
        values["time_zone"] = checked_zone(change.time_zone)
    if change.country is not UNSET:
        values["country"] = checked_country(change.country or "")
    if values:
        try:
            await session.execute(update(Org).where(Org.id == org_id).values(**values))
        except IntegrityError as error:
            raise SlugTaken(values["slug"]) from error
        await emit(session, OrgChanged(org_id=org_id))
    return await queries.org(session, org_id)


def checked_slug(slug: str) -> str:
    if not _SLUG.fullmatch(slug):
        raise Invalid.field("slug", SLUG_RULE)
    if slug in RESERVED:
        raise Invalid.field("slug", f"“{slug}” is reserved. Choose another address.")
    return slug


def checked_zone(zone: str) -> str:
    if zone not in _zones():
        raise Invalid.field("time_zone", "A time zone such as Europe/Berlin or UTC.")
    return zone


@functools.cache
def _zones() -> frozenset[str]:
    """Asked once: it walks over every file of the tz database."""
    return frozenset(zoneinfo.available_timezones())


def checked_country(country: str) -> str:
    """Two letters, or "": phone numbers without a country code are read as of there."""
    code = country.strip().upper()
    if code and code not in phonenumbers.SUPPORTED_REGIONS:
        raise Invalid.field("country", "A country's two letters, such as DE or US.")
    return code


async def _free_slug(session: AsyncSession, name: str) -> str:
    base = _NOT_SLUG.sub("-", fold(name)).strip("-")[:34].strip("-")
    if len(base) < 2 or base in RESERVED:
        base = f"client-{base}".strip("-")
    taken = set((await session.scalars(select(Org.slug).where(Org.slug.startswith(base, autoescape=True)))).all())
    candidates = (base, *(f"{base}-{number}" for number in range(2, len(taken) + 3)))
    return next(slug for slug in candidates if slug not in taken)
