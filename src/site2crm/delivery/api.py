"""`/api/v1/deliveries`, and `/api/v1/connections/{id}/backfill`."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Router, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import queries as connections
from site2crm.core import inputs
from site2crm.core.access import Who, needs
from site2crm.core.paging import Page
from site2crm.delivery import backfill, comparing, queries, service
from site2crm.delivery.gone import Compared, MissingItem
from site2crm.delivery.queries import AttemptItem, DeliveryItem, Wanted
from site2crm.delivery.service import Replayed

READ, WRITE = needs("deliveries:read"), needs("deliveries:write")


class DeliveryDetail(DeliveryItem, frozen=True, kw_only=True):
    """A delivery and its tries, newest first."""

    attempt_log: list[AttemptItem]


class DeliveryPatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """Values of the CRM's properties as they are to be sent; "" leaves a property out, null drops an earlier edit."""

    overrides: dict[str, str | None] | UnsetType = UNSET


class ReplayFilter(Struct, forbid_unknown_fields=True, kw_only=True):
    """Without `state`: what is dead, retrying or skipped. Delivered ones are sent again only when asked for.

    `since` and `until` are about when the delivery was made, `code` is that of its error. `as_of`: as a dry run said;
    what was sent again since then is left out, so that this may be repeated.
    """

    ids: Annotated[list[str], Meta(max_length=1000)] = []
    lead: str = ""
    connection: str = ""
    form: str = ""
    state: str = ""
    code: str = ""
    since: datetime | None = None
    until: datetime | None = None
    as_of: datetime | None = None


class ReplayIn(Struct, forbid_unknown_fields=True, kw_only=True):
    filter: ReplayFilter
    dry_run: bool = False


class BackfillOut(Struct, frozen=True):
    """`left`: submissions that came before and were not sent there. While a run is under way, `total` of it and how
    many are `done`, that is: have a delivery."""

    left: int
    running: bool
    total: int
    done: int


@get(opt=READ)
async def list_deliveries(
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    lead: FromQuery[str] = "",
    submission: FromQuery[str] = "",
    connection: FromQuery[str] = "",
    form: FromQuery[str] = "",
    in_state: Annotated[str, QueryParameter(name="state")] = "",
    since: FromQuery[datetime | None] = None,
    until: FromQuery[datetime | None] = None,
    code: FromQuery[str] = "",
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> Page[DeliveryItem]:
    """Deliveries of the org, newest first. `state` is one, or "waiting".

    What people entered may be quoted in `error`, `warnings` and `overrides`: without `leads:read` they are empty.
    """
    wanted = Wanted(
        lead=lead,
        submission=submission,
        connection=connection,
        form=form,
        state=in_state,
        code=code,
        since=inputs.aware("since", since),
        until=inputs.aware("until", until),
    )
    page = await queries.page(session, who.org_id, wanted, limit=limit, cursor=cursor)
    return page if who.can("leads:read") else Page([queries.unquoted(item) for item in page.data], page.page)


@get("/{delivery_id:str}", opt=READ)
async def show_delivery(
    delivery_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> DeliveryDetail:
    """With each try: when, what came of it, and the exact requests and answers. Needs `leads:read` too."""
    return await _detail(session, who, delivery_id)


@post("/{delivery_id:str}/replay", opt=WRITE, status_code=200)
async def replay_delivery(
    delivery_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> DeliveryDetail:
    """Send it again now, with all tries anew. Needs `leads:read` too, for what it answers."""
    await service.replay(session, who.org_id, delivery_id)
    return await _detail(session, who, delivery_id)


@post("/{delivery_id:str}/skip", opt=WRITE, status_code=200)
async def skip_delivery(
    delivery_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> DeliveryDetail:
    """Do not send it. Needs `leads:read` too, for what it answers."""
    await service.skip(session, who.org_id, delivery_id)
    return await _detail(session, who, delivery_id)


@patch("/{delivery_id:str}", opt=WRITE)
async def edit_delivery(
    delivery_id: FromPath[str],
    data: JSONBody[DeliveryPatch],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
) -> DeliveryDetail:
    """Change what is sent, and send it again. Merge patch: what is absent stays. Needs `leads:read` too."""
    if not isinstance(data.overrides, UnsetType):
        await service.amend_and_resend(session, who.org_id, delivery_id, changes=data.overrides)
    return await _detail(session, who, delivery_id)


@post("/replay", opt=WRITE, status_code=200)
async def replay_deliveries(
    data: JSONBody[ReplayIn], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Replayed:
    """Send many again, at most ten thousand; with `dry_run` only count them."""
    asked = msgspec.structs.asdict(data.filter)
    ids = asked.pop("ids")
    asked |= {name: inputs.aware(f"filter.{name}", asked[name]) for name in ("since", "until", "as_of")}
    return await service.replay_many(session, who.org_id, Wanted(**asked), ids=ids, dry_run=data.dry_run)


@get("/{connection_id:str}/backfill", opt=READ)
async def show_backfill(
    connection_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> BackfillOut:
    """How many leads came before this connection, and how far sending them is."""
    return _backfill(await backfill.progress(session, who.org_id, connection_id))


@post("/{connection_id:str}/backfill", opt=WRITE, status_code=202)
async def start_backfill(
    connection_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> BackfillOut:
    """Send the leads that came before this connection, oldest first. Each submission at most once, however often."""
    return _backfill(await backfill.start(session, who.org_id, connection_id))


class MissingOut(Struct, frozen=True):
    """The last comparison (null: there was none yet), and the first fifty of the leads that are missing there."""

    compared: Compared | None
    count: int
    data: list[MissingItem]


class ResendIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """Without `leads`: all that are missing."""

    leads: Annotated[list[str], Meta(max_length=1000)] = []


class Resent(Struct, frozen=True):
    count: int


@get("/{connection_id:str}/missing", opt=READ)
async def list_missing(
    connection_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> MissingOut:
    """Leads that we delivered and the CRM does not have any more, as it said when it was last compared."""
    await connections.get(session, who.org_id, connection_id)
    counts = await queries.missing_counts(session, [connection_id])
    compared = await queries.compared(session, who.org_id, connection_id)
    found = await queries.missing(session, who.org_id, connection_id)
    return MissingOut(compared, counts.get(connection_id, 0), found)


@post("/{connection_id:str}/missing/resend", opt=WRITE, status_code=200)
async def resend_missing(
    connection_id: FromPath[str],
    data: JSONBody[ResendIn],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
) -> Resent:
    """Send them once more. Doing it again sends nothing until a comparison finds them missing again."""
    return Resent(await comparing.resend(session, who.org_id, connection_id, leads=data.leads))


@post("/{connection_id:str}/compare", opt=WRITE, status_code=202)
async def compare_connection(
    connection_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> MissingOut:
    """Compare it now; what this answers is what was known before."""
    await comparing.compare_now(session, who.org_id, connection_id)
    counts = await queries.missing_counts(session, [connection_id])
    compared = await queries.compared(session, who.org_id, connection_id)
    return MissingOut(compared, counts.get(connection_id, 0), [])


def _backfill(found: backfill.Progress) -> BackfillOut:
    return BackfillOut(found.left, found.is_running, found.total, found.done)


async def _detail(session: AsyncSession, who: Who, delivery_id: str) -> DeliveryDetail:
    """What was sent holds what people entered: whoever may not read leads may not read it. What had been begun by then
    is undone with the refusal."""
    who.require("leads:read")
    item = await queries.get(session, who.org_id, delivery_id)
    attempts = await queries.attempts(session, who.org_id, [delivery_id])
    return DeliveryDetail(**msgspec.structs.asdict(item), attempt_log=attempts[delivery_id])


router = Router(
    path="/api/v1/deliveries",
    route_handlers=[
        list_deliveries,
        replay_deliveries,
        show_delivery,
        edit_delivery,
        replay_delivery,
        skip_delivery,
    ],
    tags=["Deliveries"],
)
connection_router = Router(
    path="/api/v1/connections",
    route_handlers=[show_backfill, start_backfill, list_missing, resend_missing, compare_connection],
    tags=["Connections"],
)
