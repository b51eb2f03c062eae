"""A feature as data: what it adds to the product. The composition root collects these.

So nothing can be forgotten: the timeline of a lead, the navigation, the banners and the jobs of a new feature
appear because they stand here, not because somebody remembered to call it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from litestar import Router
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core.access import OrgRef, Who
from site2crm.core.asgi import ASGIApp, Fallback
from site2crm.core.control import Control
from site2crm.core.declared.contract import Declares
from site2crm.core.events import Event, LateListener, Listener
from site2crm.core.figures import Figure
from site2crm.core.machine import Machine
from site2crm.core.queue import Cron, JobSpec
from site2crm.core.templates import Banner


class NavItem(Struct, frozen=True):
    """An entry of an org's navigation; `path` is below `/o/{org}/`."""

    label: str
    path: str
    icon: str
    permission: str
    section: str = ""
    order: int = 50
    """Within its section; the features' own order decides who may import whom, not what a person looks for first."""


class TimelineEntry(Struct, frozen=True, kw_only=True):
    """One thing that happened to a lead. `template` shows it, with `data`; the API sends `data` as it is."""

    type: str
    at: datetime
    title: str
    template: str
    tone: str = "neutral"
    data: dict[str, Any] = {}


class Panel(Struct, frozen=True):
    """A part of another feature's page."""

    template: str
    data: dict[str, Any]


Timeline = Callable[[AsyncSession, str, str], Awaitable[Sequence[TimelineEntry]]]
"""(session, org id, lead id)"""
Banners = Callable[[AsyncSession, OrgRef], Awaitable[Sequence[Banner]]]
PanelMaker = Callable[[AsyncSession, OrgRef, str], Awaitable[Panel | None]]
"""(session, org, id of what the page shows)"""
Figures = Callable[[Machine, AsyncSession], Awaitable[Sequence[Figure]]]
Lifespan = Callable[[Machine], AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class Feature:
    name: str
    routers: Sequence[Router] = ()
    raw: Mapping[str, Callable[[Machine], ASGIApp]] = field(default_factory=dict)
    """First path segment -> an app that answers ahead of the router."""
    fallback: Callable[[Machine], Fallback] | None = None
    """Answers paths of one segment that are no page of the product, ahead of everything; one feature has it."""
    jobs: Sequence[JobSpec] = ()
    crons: Sequence[Cron] = ()
    listens: Sequence[tuple[type[Event], Listener]] = ()
    late: Sequence[tuple[type[Event], LateListener]] = ()
    captures: Sequence[Lifespan] = ()
    """What forms and links need to be answered: entered first, and by a standby too, which may only read."""
    lifespans: Sequence[Lifespan] = ()
    """Caches to fill and background work to run while the server runs; entered in order, left in reverse."""
    figures: Figures | None = None
    """For `/metrics`, beside what the machine counts itself."""
    timeline: Timeline | None = None
    timeline_needs: str = ""
    """The permission for what it tells there, beside that of reading leads."""
    banners: Banners | None = None
    panels: Mapping[str, PanelMaker] = field(default_factory=dict)
    """Place ("lead", "form", "connection") -> what this feature shows there."""
    nav: Sequence[NavItem] = ()
    controls: Mapping[str, Control] = field(default_factory=dict)
    """What the command line may ask the running server, by verb ("backup.create")."""
    admin: Sequence[NavItem] = ()
    """Pages about the whole instance; `path` is below `/admin/`, the permission `core.access.INSTANCE`."""
    declares: Sequence[Declares] = ()
    """Tables of `[[orgs]]` in the configuration file; applied in the order of the features."""
    creates: Sequence[NavItem] = ()
    """What the command palette offers to make."""


_installed: tuple[Feature, ...] = ()


def install(features: Sequence[Feature]) -> None:
    """Called once by the composition root."""
    global _installed
    _installed = tuple(features)


def installed() -> tuple[Feature, ...]:
    return _installed


def declared_tables() -> dict[str, Declares]:
    """What the configuration file may declare, by table."""
    return {each.table: each for feature in _installed for each in feature.declares}


async def timeline(session: AsyncSession, who: Who, lead_id: str) -> list[TimelineEntry]:
    """Everything that happened to a lead and that they may see, newest first, from all features."""
    entries: list[TimelineEntry] = []
    for feature in _installed:
        if feature.timeline is not None and (not feature.timeline_needs or who.can(feature.timeline_needs)):
            entries.extend(await feature.timeline(session, who.org_id, lead_id))
    return sorted(entries, key=lambda entry: entry.at, reverse=True)


async def banners(session: AsyncSession, org: OrgRef) -> list[Banner]:
    """What every page of this org has to say, from all features."""
    found: list[Banner] = []
    for feature in _installed:
        if feature.banners is not None:
            found.extend(await feature.banners(session, org))
    return found


async def figures(machine: Machine, session: AsyncSession) -> list[Figure]:
    """What all features count."""
    found: list[Figure] = []
    for feature in _installed:
        if feature.figures is not None:
            found.extend(await feature.figures(machine, session))
    return found


async def panels(session: AsyncSession, org: OrgRef, place: str, subject: str) -> list[Panel]:
    """What the features below add to a page of this one."""
    makers = [feature.panels[place] for feature in _installed if place in feature.panels]
    made = [await maker(session, org, subject) for maker in makers]
    return [panel for panel in made if panel is not None]
