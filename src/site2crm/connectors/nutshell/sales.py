"""Nutshell's sales side: owners, pipelines, deals (leads, as they are called there), calls and meetings."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from site2crm.connectors.contract import Act, Context, Exchange, Written
from site2crm.connectors.nutshell import answers
from site2crm.connectors.nutshell.access import LIST_BYTES, Access
from site2crm.connectors.nutshell.activities import Activities
from site2crm.connectors.nutshell.answers import Record
from site2crm.connectors.nutshell.connector import first_page, of_address
from site2crm.connectors.nutshell.deal_making import DealMaker
from site2crm.connectors.nutshell.deal_reading import DealReader
from site2crm.connectors.nutshell.properties import ids_in
from site2crm.connectors.sales import Activity, Deal, DealIn, Directory, Known, Owner, Page, Pipeline, Stage
from site2crm.connectors.wire import whole


class NutshellSales:
    """One Nutshell account behind an API key."""

    def __init__(self, context: Context) -> None:
        self._access = Access(context)
        self._maker = DealMaker(self._access)
        self._reader = DealReader(self._access)
        self._activities = Activities(self._access)

    async def directory(self) -> Directory:
        """Users, those too who have left, and every pipeline that a deal may still be in."""
        users, _ = await self._access.users()
        pipelines = answers.listed(await self._access.get("/stagesets", max_bytes=LIST_BYTES), "stagesets")
        stages = answers.listed(await self._access.get("/stages", max_bytes=LIST_BYTES), "stages")
        return Directory([_owner(user) for user in users], [_pipeline(pipeline, stages) for pipeline in pipelines])

    async def add_deal(self, deal: DealIn, person_id: str) -> Written:
        return await self._maker.add(deal, person_id)

    def preview_deal(self, deal: DealIn, person_id: str) -> Sequence[Exchange]:
        return self._maker.preview(deal, person_id)

    async def deals(self, since: datetime | None, cursor: str | None) -> Page[Deal]:
        return await self._reader.page(since, cursor)

    async def activities(self, kind: Act, since: datetime | None, cursor: str | None) -> Page[Activity]:
        return await self._activities.page(kind, since, cursor)

    async def whereabouts(self, people: Sequence[Known]) -> Mapping[str, str]:
        """One call for each: Nutshell has no other (contract, 8). Deleted ones are there for a while, but marked; of
        merged ones nothing is said."""
        found: dict[str, str] = {}
        for person in people:
            if await self._access.record("contacts", person.id) is not None:
                found[person.id] = person.id
            elif person.email and (now := await self._with_email(person.email)):
                found[person.id] = now
        return found

    async def _with_email(self, email: str) -> str | None:
        """The oldest, as whoever delivers takes it."""
        query = [("email", email), *first_page(100)]
        listed = answers.listed(await self._access.get("/contacts", query=query, max_bytes=LIST_BYTES), "contacts")
        return next((str(one["id"]) for one in of_address(listed, email)), None)


def _owner(user: Record) -> Owner:
    emails = user.get("emails")
    email = str(emails[0]) if isinstance(emails, list) and emails else None
    return Owner(str(user["id"]), str(user.get("name") or email or user["id"]), email, user.get("isEnabled") is True)


def _pipeline(pipeline: Record, stages: Sequence[Record]) -> Pipeline:
    id = str(pipeline["id"])
    own = [stage for stage in stages if id in _pipelines_of(stage)]
    found = [
        Stage(str(stage["id"]), str(stage.get("name") or stage["id"]), whole(stage.get("position")) or 0, None)
        for stage in own
    ]
    return Pipeline(id, str(pipeline.get("name") or id), sorted(found, key=lambda stage: stage.order))


def _pipelines_of(stage: Record) -> list[str]:
    """`links` of a stage is a list in the vendor's document, and an object as everywhere else (contract, 6)."""
    links = stage.get("links")
    return [id for link in (links if isinstance(links, list) else [links]) for id in ids_in(link, "stageset")]
