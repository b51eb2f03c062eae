"""Reads deals: first all of them page by page, then those that the feed of events names (contract, 7).

Nutshell does not say when a lead was changed: the moment of reading stands for it, so that the latest reading wins.
The feed is newest first: it is walked back until it is older than what was read before.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from site2crm.connectors.contract import ErrorClass
from site2crm.connectors.nutshell import answers
from site2crm.connectors.nutshell.access import LIST_BYTES, Access
from site2crm.connectors.nutshell.answers import NutshellError, Record
from site2crm.connectors.nutshell.deal_making import without_mark
from site2crm.connectors.nutshell.feed import events, order_of
from site2crm.connectors.nutshell.properties import ids_in
from site2crm.connectors.nutshell.values import moment, money
from site2crm.connectors.sales import Deal, Page, Status
from site2crm.connectors.wire import whole
from site2crm.kit import clock

PAGE = 100
EVENTS = 40
"""Each may name another lead, which is then read by itself."""
MOST_BACK = 100
"""A CRM whose total goes up and down would be read for ever."""
OVERLAP = timedelta(minutes=5)
_STATES = {"open": Status.OPEN, "won": Status.WON, "lost": Status.LOST, "cancelled": Status.LOST}


class Cursor(Struct, omit_defaults=True):
    """`page`: of the first reading, which began at `since`; `total`: so many deals there were at the page before;
    `back`: how often pages were read again. `before`, `newest`: of a walk back through the feed."""

    since: int = 0
    page: int | None = None
    total: int = 0
    back: int = 0
    before: str = ""
    newest: int = 0
    newest_id: str = ""
    seen_id: str = ""
    """The newest event of the walk before: if it still is, nothing happened."""


class DealReader:
    def __init__(self, access: Access) -> None:
        self._access = access
        self._outcomes: dict[str, str] | None = None

    async def page(self, since: datetime | None, cursor: str | None) -> Page[Deal]:
        at = _cursor(since, cursor)
        return await (self._changed(at) if at.page is None else self._listed(at))

    async def _listed(self, at: Cursor) -> Page[Deal]:
        """Newest first: what is made meanwhile moves rows back, which repeats some; where some are gone, others have
        moved on to pages that were read before, and we go back to those."""
        page = at.page or 0
        query = [("page[page]", str(page)), ("page[limit]", str(PAGE)), ("sort", "-createdTime")]
        body = await self._access.get("/leads", query=query, max_bytes=LIST_BYTES)
        leads = answers.listed(body, "leads")
        total = whole(answers.meta(body).get("total"))
        gone = at.total - total if total is not None and at.back < MOST_BACK else 0
        if not leads and gone <= 0:
            return Page((), _text(Cursor(since=at.since)), more=False)
        if gone > 0:
            following = msgspec.structs.replace(at, page=max(0, page - -(-gone // PAGE)), back=at.back + 1)
        else:
            following = msgspec.structs.replace(at, page=page + 1)
        following.total = total or 0
        found = [await self._deal(lead) for lead in leads]
        return Page(found, _text(following), more=True, total=total)

    async def _changed(self, at: Cursor) -> Page[Deal]:
        query = [("limit", str(EVENTS)), ("since_time", str(at.since)), ("filters[payload][]", "leads")]
        if at.before:
            query.append(("max_id", at.before))
        body = await self._access.get("/events", query=query, max_bytes=LIST_BYTES)
        found = [event for event in events(body) if _seconds(event) >= at.since and _is_older(event, at.before)]
        if not found or (not at.before and found[0]["id"] == at.seen_id):
            return Page((), _text(_after(at)), more=False)
        deals = [await self._read(id, found) for id in _leads_in(found)]
        if not at.before:
            at = msgspec.structs.replace(at, newest=_seconds(found[0]), newest_id=str(found[0]["id"]))
        return Page(deals, _text(msgspec.structs.replace(at, before=str(found[-1]["id"]))), more=True)

    async def _read(self, id: str, found: Sequence[Record]) -> Deal:
        try:
            return await self._deal(answers.one(await self._access.get(f"/leads/{id}"), "leads"))
        except NutshellError as error:
            if error.kind is not ErrorClass.NOT_FOUND:
                raise
        told = next((moment(event.get("createdTime")) for event in found if id in _leads_in([event])), None)
        now = clock.now()
        return Deal(id=id, title="", status=Status.DELETED, created_at=told or now, updated_at=now)

    async def _deal(self, lead: Record) -> Deal:
        links, account = lead.get("links"), self._access.context.account
        now = clock.now()
        expected = moment(lead.get("anticipatedClosedTime")) or moment(lead.get("dueTime"))
        url = lead.get("htmlUrl")
        return Deal(
            id=str(lead["id"]),
            title=without_mark(str(lead.get("name") or lead.get("description") or lead["id"])),
            status=await self._status(lead),
            created_at=moment(lead.get("createdTime")) or now,
            updated_at=now,
            value=money(lead.get("value"), account.currency if account else None),
            pipeline=next(iter(ids_in(links, "stageset")), None),
            stage=next(iter(ids_in(links, "stage")), None),
            owner=next(iter(ids_in(links, "owner")), None),
            people=ids_in(links, "contacts"),
            close=expected.date() if expected else None,
            closed_at=moment(lead.get("closedTime")),
            url=url if isinstance(url, str) else None,
        )

    async def _status(self, lead: Record) -> Status:
        """Of a closed lead whose state says nothing known the outcome tells whether it was won."""
        if lead.get("deletedTime"):
            return Status.DELETED
        if known := _STATES.get(str(lead.get("status")).lower()):
            return known
        if moment(lead.get("closedTime")) is None:
            return Status.OPEN
        outcome = next(iter(ids_in(lead.get("links"), "outcome")), "")
        return _STATES.get((await self._types()).get(outcome, ""), Status.LOST)

    async def _types(self) -> dict[str, str]:
        if self._outcomes is None:
            listed = answers.listed(await self._access.get("/outcomes", max_bytes=LIST_BYTES), "outcomes")
            self._outcomes = {
                str(outcome["id"]): next(
                    (word for name in ("type", "status") if (word := str(outcome.get(name)).lower()) in _STATES), ""
                )
                for outcome in listed
            }
        return self._outcomes


def _cursor(since: datetime | None, text: str | None) -> Cursor:
    if text:
        try:
            return msgspec.json.decode(text, type=Cursor)
        except msgspec.DecodeError:
            pass  # of another version of us: begin anew
    if since is not None:
        return Cursor(since=int((since - OVERLAP).timestamp()))
    return Cursor(since=int((clock.now() - OVERLAP).timestamp()), page=0)


def _after(at: Cursor) -> Cursor:
    """Where the next walk ends."""
    if not at.newest:
        return Cursor(since=at.since, seen_id=at.seen_id)
    return Cursor(since=max(at.since, at.newest - int(OVERLAP.total_seconds())), seen_id=at.newest_id)


def _text(cursor: Cursor) -> str:
    return msgspec.json.encode(cursor).decode()


def _seconds(event: Record) -> int:
    told = moment(event.get("createdTime"))
    return int(told.timestamp()) if told else 0


def _is_older(event: Record, before: str) -> bool:
    """Whether `max_id` is in its own answer, Nutshell does not say."""
    return not before or order_of(event["id"]) < order_of(before)


def _leads_in(found: Sequence[Record]) -> list[str]:
    ids = [id for event in found for id in ids_in(event.get("links"), "payloads")]
    return [id for id in dict.fromkeys(ids) if id.endswith("-leads")]
