"""A page of the CRM into rows: one row for each record there, and the newest word wins.

Nothing of a page is read first: ids are derived from the CRM's own, so that the same page may come twice.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from msgspec import Struct
from sqlalchemy import Table, bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import sales
from site2crm.connectors.sales import Directory, Status
from site2crm.core.db import Base
from site2crm.core.sql import insert
from site2crm.deals import counting, finding
from site2crm.deals.models import About, Activity, Deal, Owner, Stage
from site2crm.kit import ids, money, text

LONGEST = 500
"""Characters of a name or a title."""
LONGEST_ID = 200
"""Characters of the CRM's ids, three of which PostgreSQL has in one key: a third of a page."""
_IDS = {"remote_id", "person", "owner", "stage", "pipeline"}
_LONGEST_URL = 2_000
_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, tzinfo=UTC)
"""Somebody types the year 9999: in every zone it is to be a time still."""
_MOST = 2**63 - 1
_TICK = timedelta(milliseconds=1)


def _table(model: type[Base]) -> Table:
    found = model.__table__
    assert isinstance(found, Table)
    return found


_DEAL = _table(Deal)


class Source(Struct, frozen=True):
    """`currency`: the account's, for deals that name none."""

    org_id: str
    connection_id: str
    currency: str


class _Remote(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def updated_at(self) -> Any: ...


class _About(Protocol):
    @property
    def people(self) -> Sequence[str]: ...
    @property
    def updated_at(self) -> datetime: ...


R = TypeVar("R", bound=_Remote)


async def directory(session: AsyncSession, source: Source, found: Directory) -> None:
    """Who is no longer told of has left; stages are as they are now."""
    mine = {"org_id": source.org_id, "connection_id": source.connection_id}
    of_it = Owner.connection_id == source.connection_id
    await session.execute(update(Owner).where(of_it).values(active=False))
    owners = {owner.id: owner for owner in found.owners}
    await _put(
        session,
        _table(Owner),
        [
            {
                **mine,
                "remote_id": one.id,
                "name": one.name[:LONGEST],
                "email": (one.email or "")[:LONGEST],
                "active": one.active,
            }
            for one in owners.values()
        ],
        key=("connection_id", "remote_id"),
    )
    await session.execute(delete(Stage).where(Stage.connection_id == source.connection_id))
    stages = {
        (pipeline.id, stage.id): {
            **mine,
            "pipeline": pipeline.id,
            "remote_id": stage.id,
            "pipeline_label": pipeline.label[:LONGEST],
            "pipeline_place": place,
            "label": stage.label[:LONGEST],
            "place": stage.order,
            "status": stage.status or "",
        }
        for place, pipeline in enumerate(found.pipelines)
        for stage in pipeline.stages
    }
    await _put(session, _table(Stage), list(stages.values()), key=("connection_id", "pipeline", "remote_id"))


async def deals(session: AsyncSession, source: Source, found: Sequence[sales.Deal]) -> None:
    """A deleted one keeps what was known of it; one that we never saw is not begun with its end."""
    known = {deal_id(source.connection_id, deal.id): deal for deal in _newest(found)}
    if known:
        async with counting.counted(session, source.org_id, source.connection_id, known):
            await _store(session, source, known)
        await finding.index(session, source.org_id, known)


async def _store(session: AsyncSession, source: Source, known: Mapping[str, sales.Deal]) -> None:
    live = {id: deal for id, deal in known.items() if deal.status is not Status.DELETED}
    rows = [_deal(source, id, deal) for id, deal in live.items()]
    await _put(session, _DEAL, rows, key=("connection_id", "remote_id"), keep=("id", "org_id"), newest=True)
    await _relate(session, source, await _of_the_newest(session, _DEAL, live))
    gone = [{"of_id": id, "at": deal.updated_at} for id, deal in known.items() if deal.status is Status.DELETED]
    if gone:
        older = _DEAL.c.id == bindparam("of_id"), _DEAL.c.updated_at <= bindparam("at")
        values = {"status": Status.DELETED.value, "updated_at": bindparam("at")}
        await session.execute(update(_DEAL).where(*older).values(values), gone)


async def activities(session: AsyncSession, source: Source, found: Sequence[sales.Activity]) -> None:
    """A deleted one counts for nobody."""
    known = {_activity_id(source, activity): activity for activity in _newest(found)}
    live = {id: activity for id, activity in known.items() if not activity.deleted}
    rows = [_activity(source, id, activity) for id, activity in live.items()]
    table = _table(Activity)
    await _put(session, table, rows, key=("connection_id", "kind", "remote_id"), keep=("id", "org_id"), newest=True)
    await _relate(session, source, await _of_the_newest(session, table, live))
    if gone := {id: activity.updated_at for id, activity in known.items() if id not in live}:
        await _bury(session, gone)


async def _bury(session: AsyncSession, gone: Mapping[str, datetime]) -> None:
    """Rows stay, of nobody and about nobody: else an older word, or the same again, would bring them back."""
    rows = await session.execute(select(Activity.id, Activity.updated_at).where(Activity.id.in_(gone)))
    buried = [{"of_id": row.id, "gone_at": max(row.updated_at, _value(gone[row.id]) + _TICK)} for row in rows]
    if buried:
        table = _table(Activity)
        values = {"owner": "", "done": False, "seconds": None, "updated_at": bindparam("gone_at")}
        await session.execute(update(table).where(table.c.id == bindparam("of_id")).values(values), buried)
        await session.execute(delete(About).where(About.subject_id.in_(gone)))


def deal_id(connection_id: str, remote_id: str) -> str:
    return ids.derived("dea", connection_id, remote_id)


def _activity_id(source: Source, activity: sales.Activity) -> str:
    return ids.derived("act", source.connection_id, activity.kind, activity.id)


def _newest(found: Sequence[R]) -> list[R]:
    """A page may hold the same record twice."""
    newest: dict[str, R] = {}
    for one in found:
        if one.id not in newest or newest[one.id].updated_at <= one.updated_at:
            newest[one.id] = one
    return list(newest.values())


def _deal(source: Source, id: str, deal: sales.Deal) -> dict[str, Any]:
    currency = money.code(deal.value.currency if deal.value else "") or source.currency
    return {
        "id": id,
        "org_id": source.org_id,
        "connection_id": source.connection_id,
        "remote_id": deal.id,
        "title": deal.title[:LONGEST],
        "search_text": text.search_text(deal.title[:LONGEST]),
        "status": deal.status.value,
        "amount_minor": money.minor(deal.value.amount, currency) if deal.value else None,
        "currency": currency,
        "pipeline": deal.pipeline or "",
        "stage": deal.stage or "",
        "owner": deal.owner or "",
        "close_on": deal.close.isoformat() if deal.close else None,
        "closed_at": deal.closed_at,
        "url": _address(deal.url),
        "created_at": deal.created_at,
        "updated_at": deal.updated_at,
    }


def _address(url: str | None) -> str | None:
    is_one = url and len(url) <= _LONGEST_URL and url.startswith(("https://", "http://"))
    return url if is_one else None


def _activity(source: Source, id: str, activity: sales.Activity) -> dict[str, Any]:
    return {
        "id": id,
        "org_id": source.org_id,
        "connection_id": source.connection_id,
        "kind": activity.kind.value,
        "remote_id": activity.id,
        "owner": activity.owner or "",
        "at": activity.at,
        "done": activity.done,
        "seconds": activity.seconds,
        "updated_at": activity.updated_at,
    }


async def _of_the_newest(
    session: AsyncSession, table: Table, live: Mapping[str, _About]
) -> Mapping[str, Sequence[str]]:
    """Id -> the people that it is about, where what came is the newest that is known: an older word changes nothing.

    One whose id was cut to that of another has no row of its own.
    """
    rows = await session.execute(select(table.c.id, table.c.updated_at).where(table.c.id.in_(live)))
    newest = {row.id: row.updated_at for row in rows}
    return {id: one.people for id, one in live.items() if id in newest and newest[id] <= _value(one.updated_at)}


async def _relate(session: AsyncSession, source: Source, people: Mapping[str, Sequence[str]]) -> None:
    if not people:
        return
    await session.execute(delete(About).where(About.subject_id.in_(people)))
    rows = [
        {
            "subject_id": subject,
            "person": person,
            "org_id": source.org_id,
            "connection_id": source.connection_id,
            "place": place,
        }
        for subject, persons in people.items()
        for place, person in enumerate(dict.fromkeys(persons))
    ]
    if rows:
        await session.execute(insert(About), [_fitting(row) for row in rows])


async def _put(
    session: AsyncSession,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Collection[str],
    keep: Collection[str] = (),
    newest: bool = False,
) -> None:
    """Insert or change. `keep`: columns that stay as they are; `newest`: an older word changes nothing."""
    if not rows:
        return
    added = insert(table)
    changed = {name: added.excluded[name] for name in rows[0] if name not in key and name not in keep}
    where = table.c.updated_at <= added.excluded.updated_at if newest else None
    upsert = added.on_conflict_do_update(index_elements=list(key), set_=changed, where=where)
    await session.execute(upsert, [_fitting(row) for row in rows])


def _fitting(row: Mapping[str, Any]) -> dict[str, Any]:
    """As every database takes it: one record that none takes would stop the reading of all."""
    return {name: _value(value[:LONGEST_ID] if name in _IDS and value else value) for name, value in row.items()}


def _value(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\x00", "\ufffd")
        case datetime():
            return min(max(value, _EARLIEST), _LATEST)
        case int():
            return min(max(value, -_MOST), _MOST)
    return value
