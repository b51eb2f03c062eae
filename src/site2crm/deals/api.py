"""`/api/v1/deals` and `/api/v1/salespeople`."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import inputs
from site2crm.core.access import Who, needs
from site2crm.core.errors import Invalid
from site2crm.core.machine import Machine
from site2crm.core.paging import Page
from site2crm.deals import filters, queries, ranking, service
from site2crm.deals.queries import ActivityItem, DealItem, Wanted
from site2crm.deals.ranking import Ranking, WeightsOut
from site2crm.deals.service import Started
from site2crm.leads import queries as leads

READ, WRITE = needs("deals:read"), needs("deals:write")


class DealDetail(DealItem, frozen=True, kw_only=True):
    """`first_touch`: where its lead came from at first, as its `attribution.first`. Null without `leads:read`."""

    first_touch: dict[str, str] | None
    activities: list[ActivityItem]


class SyncIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """Without `connection`: every CRM of the org."""

    connection: str = ""


@get(opt=READ)
async def list_deals(
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    connection: FromQuery[str] = "",
    pipeline: FromQuery[str] = "",
    stage: FromQuery[str] = "",
    owner: FromQuery[str] = "",
    in_status: Annotated[str, QueryParameter(name="status")] = "",
    search: FromQuery[str] = "",
    lead: FromQuery[str] = "",
    since: FromQuery[datetime | None] = None,
    until: FromQuery[datetime | None] = None,
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> Page[DealItem]:
    """Deals of the org, newest first; `since` and `until` are about when they were made. `pipeline`, `stage` and
    `owner` are the CRM's ids: name the `connection` with them. Deleted ones only with `status=deleted`."""
    wanted = Wanted(
        connection=connection, pipeline=pipeline, stage=stage, owner=owner, status=in_status, search=search,
        lead=lead, since=inputs.aware("since", since), until=inputs.aware("until", until),
    )  # fmt: skip
    return await queries.page(session, who.org_id, wanted, limit=limit, cursor=cursor)


@get("/{deal_id:str}", opt=READ)
async def show_deal(
    deal_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> DealDetail:
    """With its lead's first touch, and what salespeople did with the persons that it is about."""
    deal = await queries.get(session, who.org_id, deal_id)
    touch = None
    if deal.lead is not None and who.can("leads:read"):
        touch = (await leads.lead(session, who.org_id, deal.lead)).attribution.get("first")
    done = await queries.activities(session, who.org_id, deal_id)
    return DealDetail(**msgspec.structs.asdict(deal), first_touch=touch, activities=done)


@post("/sync", opt=WRITE, status_code=202)
async def read_deals_now(
    data: JSONBody[SyncIn],
    session: NamedDependency[AsyncSession],
    machine: NamedDependency[Machine],
    who: NamedDependency[Who],
) -> Started:
    """Read what is new now instead of in a few minutes."""
    return await service.read_now(session, machine, org_id=who.org_id, connection=data.connection)


@get(opt=READ)
async def list_salespeople(
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    since: FromQuery[datetime | None] = None,
    until: FromQuery[datetime | None] = None,
    connection: FromQuery[str] = "",
) -> Ranking:
    """The most points first, of the last 30 days unless told. null: no CRM of theirs tells."""
    assert who.org is not None
    usual = filters.period({}, zone=who.org.time_zone)
    begin, end = inputs.aware("since", since) or usual[0], inputs.aware("until", until) or usual[1]
    if begin >= end:
        raise Invalid.field("until", "It is before `since`, which is 30 days ago unless it is told.")
    return await ranking.ranking(session, who.org_id, since=begin, until=end, connection=connection)


@post("/weights", opt=WRITE, status_code=200)
async def weigh_salespeople(
    data: JSONBody[WeightsOut], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> WeightsOut:
    """What counts how much in the ranking; what is left out gets its usual points."""
    await service.save_weights(session, who.org_id, data)
    return await ranking.weights(session, who.org_id)


router = Router(path="/api/v1/deals", route_handlers=[list_deals, read_deals_now, show_deal], tags=["Deals"])
people_router = Router(path="/api/v1/salespeople", route_handlers=[list_salespeople, weigh_salespeople], tags=["Deals"])
