"""`/o/{org}/crms` and `/agency/crms`: every connection of an org, or of all orgs of a user, and how it is."""

from collections.abc import Sequence
from typing import Annotated, Any

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import queries as accounts
from site2crm.accounts import service as home
from site2crm.connectors import queries as connections
from site2crm.core.access import SIGNED_IN, Who, needs
from site2crm.core.formats import query
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest, Html, in_org_of, page
from site2crm.deals import service as deals
from site2crm.ops import crms
from site2crm.ops.crms import Crm

READ, WRITE = "connections:read", "connections:write"
REFRESH_S = 15
MOST_SHOWN = 200
TROUBLE = "trouble"
STATES = ((TROUBLE, "In trouble"), ("active", "Active"), ("draining", "Draining"), ("paused", "Paused"),
          ("parked", "Stopped"))  # fmt: skip


class Total(Struct, frozen=True):
    """All lines of a dashboard together."""

    hour: int
    day: int
    waiting: int
    troubled: int
    failing: int

    @property
    def rate(self) -> str:
        answered = self.failing + self.day
        return f"{100 * self.failing / answered:.1f} %" if answered else "–"


@get("/o/{org:str}/crms", opt=needs(READ))
async def list_crms(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Html:
    """The connections of an org."""
    assert who.org is not None
    found = await crms.look(machine, session, [who.org])
    base = f"/o/{who.org.slug}/crms"
    return await page(
        request,
        session,
        "ops/crms.html",
        title="CRMs",
        base=base,
        **_shown(found, base, writable={who.org.id} if who.can(WRITE) else set()),
    )


@get(connections.AGENCY, opt=needs(SIGNED_IN))
async def list_all_crms(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
    q: FromQuery[str] = "",
    in_state: Annotated[str, QueryParameter(name="state")] = "",
) -> Html:
    """Of every org in which the user may see them, those in trouble first."""
    rights = await accounts.rights(session, who.user_id or "")
    orgs = [org for org, may in rights if READ in may]
    found = await crms.look(machine, session, orgs)
    fitting = [crm for crm in found if _fits(crm, q.strip().casefold(), in_state)]
    in_org_of(request, await home.at_home(session, who))
    return await page(
        request,
        session,
        "ops/agency.html",
        title="CRMs of all organisations",
        q=q,
        in_state=in_state,
        states=STATES,
        org_count=len(orgs),
        first_org=next(iter(orgs), None),
        there=len(found),
        fitting=len(fitting),
        **_shown(
            fitting[:MOST_SHOWN],
            query(connections.AGENCY, q=q or None, state=in_state or None),
            writable={org.id for org, may in rights if WRITE in may},
            of=found,
        ),
    )


def _fits(crm: Crm, sought: str, state: str) -> bool:
    about = (crm.org.name, crm.row.name, connections.label(crm.row.kind))
    is_found = not sought or any(sought in text.casefold() for text in about)
    return is_found and (not state or state == crm.row.state or (state == TROUBLE and bool(crm.health.troubles)))


def _shown(rows: Sequence[Crm], here: str, *, writable: set[str], of: Sequence[Crm] | None = None) -> dict[str, Any]:
    return {
        "crms": rows,
        "here": here,
        "writable": writable,
        "total": _total(rows if of is None else of),
        "label": connections.label,
        "icon_of": connections.icon,
        "span": _span,
        "far": deals.far,
        "refresh_s": REFRESH_S,
    }


def _total(rows: Sequence[Crm]) -> Total:
    return Total(
        hour=sum(crm.health.delivered_hour for crm in rows),
        day=sum(crm.health.delivered_day for crm in rows),
        waiting=sum(crm.health.waiting for crm in rows),
        troubled=sum(bool(crm.health.troubles) for crm in rows),
        failing=sum(crm.health.failing for crm in rows),
    )


def _span(seconds: float) -> str:
    """`in 10 s`, `today`: of what time a limit is."""
    return "in a day" if seconds >= 86_400 else f"in {seconds:g} s"


router = Router(path="/", route_handlers=[list_crms, list_all_crms], include_in_schema=False)
