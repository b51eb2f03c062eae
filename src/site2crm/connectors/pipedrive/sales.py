"""Pipedrive's owners, pipelines, deals and activities, and a deal for a lead (crm/pipedrive.md 5 to 7).

Won and lost are states of a deal, not stages; archived and deleted deals are in lists of their own.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from site2crm.connectors.contract import Act, Context, CrmError, ErrorClass, Exchange, Written
from site2crm.connectors.pipedrive import notes, reading
from site2crm.connectors.pipedrive.answers import PipedriveError
from site2crm.connectors.pipedrive.client import LIST_BYTES, Ask, Client, hits_of, id_of, next_cursor, rows_of
from site2crm.connectors.pipedrive.properties import number_of
from site2crm.connectors.pipedrive.reading import Place, Record
from site2crm.connectors.sales import Activity, Deal, DealIn, Directory, Known, Owner, Page, Pipeline, Stage
from site2crm.connectors.wire import whole
from site2crm.kit import ids

IDS_A_CALL = 100
LOOKED_FOR = 20
"""In a call, by their addresses: a search costs as much as twenty reads, and one night's merged people are few."""
_LISTS: Mapping[str, tuple[str, dict[str, str]]] = {
    "live": ("deals", {}),
    "deleted": ("deals", {"status": "deleted"}),
    "archived": ("deals/archived", {}),
}
_ACTIVITIES = ("activities",)
_TYPES = {Act.CALL: ("call_types", "call"), Act.MEETING: ("meeting_types", "meeting")}
_CLOCKS_DIFFER_BY = timedelta(minutes=10)
_BY_HAND = "ManuallyCreated"


class PipedriveSales:
    """Of one connection."""

    def __init__(self, context: Context) -> None:
        self._client = Client(context)
        self._settings = context.settings

    async def directory(self) -> Directory:
        users = rows_of((await self._client.ask(Ask("GET", "users"), max_bytes=LIST_BYTES)).get("data"))
        pipelines, stages = await self._client.all("pipelines"), await self._client.all("stages")
        owners = [_owner(user) for user in users if id_of(user)]
        return Directory(owners, [_pipeline(row, stages) for row in _in_order(pipelines)])

    async def add_deal(self, deal: DealIn, person_id: str) -> Written:
        """Pipedrive keeps no key of ours: the note at a deal says for which lead it was made."""
        try:
            id, is_new = await self._made(deal, person_id)
            if is_new:
                id = id_of(await self._client.record(_create_ask(deal, person_id)))
                await self._client.record(_claim_ask(deal, id or ""))
        except CrmError as error:
            return Written(deal.ref, error=error)
        return Written(deal.ref, id, is_new, self._client.record_url("deal", id or ""))

    def preview_deal(self, deal: DealIn, person_id: str) -> Sequence[Exchange]:
        note = "only if this lead's deal is not there yet"
        asks = [_create_ask(deal, person_id)._replace(note=note), _claim_ask(deal, "the deal's id")]
        return [self._client.shown(ask) for ask in asks]

    async def deals(self, since: datetime | None, cursor: str | None) -> Page[Deal]:
        lists = tuple(_LISTS)
        place, rows = reading.place_of(cursor, since, lists), list[Record]()
        while place.list and not rows:
            about, also = _LISTS[place.list]
            rows, place = await self._page(place, about, also, lists)
        found = [reading.deal(row, url=self._client.record_url("deal", id_of(row) or "")) for row in rows]
        return Page([deal for deal in found if deal], reading.cursor_of(place), more=bool(place.list))

    async def activities(self, kind: Act, since: datetime | None, cursor: str | None) -> Page[Activity]:
        """Pipedrive's list cannot be narrowed to a type: the others are read and left out."""
        place = reading.place_of(cursor, since, _ACTIVITIES)
        rows, place = await self._page(place, "activities", {}, _ACTIVITIES)
        types = self._types(kind)
        found = [reading.activity(row, kind) for row in rows if reading.is_of(row, types)]
        return Page([each for each in found if each], reading.cursor_of(place), more=bool(place.list))

    async def whereabouts(self, people: Sequence[Known]) -> Mapping[str, str]:
        """A person that was merged into another is gone under its own id, as a deleted one is."""
        unsure: list[Known] = []
        for begin in range(0, len(people), IDS_A_CALL):
            some = people[begin : begin + IDS_A_CALL]
            asked = ",".join(person.id for person in some if person.id.isdecimal())
            query = {"ids": asked, "limit": str(IDS_A_CALL)}
            rows = await self._client.records(Ask("GET", "persons", query=query)) if asked else []
            there = {id_of(row) for row in rows if row.get("is_deleted") is not True}
            unsure += [person for person in some if person.id not in there]
        gone = [person for person in unsure if not await self._is_there(person.id)]
        lost = {person.id for person in gone}
        found = {person.id: person.id for person in people if person.id not in lost}
        for person in [person for person in gone if person.email][:LOOKED_FOR]:
            now = await self._with_email(person.email)
            if now and now != person.id and await self._is_there(now):  # search learns late of who was deleted
                found[person.id] = now
        return found

    async def _with_email(self, email: str) -> str | None:
        """The oldest, as whoever delivers takes it."""
        query = {"term": email, "fields": "email", "exact_match": "true", "limit": "10"}
        hits = hits_of(await self._client.ask(Ask("GET", "persons/search", query=query)))
        ids = [int(id) for hit in hits if (id := id_of(hit)) and id.isdecimal()]
        return str(min(ids)) if ids else None

    async def _page(
        self, place: Place, about: str, also: Mapping[str, str], lists: Sequence[str]
    ) -> tuple[list[Record], Place]:
        """One page and the place after it. A page that Pipedrive does not know any more: its list from the mark on."""
        try:
            told = await self._client.ask(Ask("GET", about, query=place.query(**also)), max_bytes=LIST_BYTES)
        except PipedriveError as error:
            if error.kind is not ErrorClass.PERMANENT or not place.next:
                raise
            marks = {**place.marks, place.list: place.seen} if place.seen else place.marks
            place = Place(marks, place.list, others=place.others)
            told = await self._client.ask(Ask("GET", about, query=place.query(**also)), max_bytes=LIST_BYTES)
        rows: list[Record] = [*rows_of(told.get("data"))]
        return rows, place.after(rows, next_cursor(told), lists)

    async def _made(self, deal: DealIn, person_id: str) -> tuple[str | None, bool]:
        """What an earlier try has made: a deal that looks like it, and that no other lead's note claims."""
        begun = ids.made_at(deal.ref)  # no try was before
        for row in await self._client.records(_look_ask(person_id)):
            made = reading.deal(row, url=None)
            if made is None or not (_is_titled(made, deal, begun) or self._is_of_a_try(made, deal, row)):
                continue
            claims = await notes.marks(self._client, {"deal_id": int(made.id)})
            if any(notes.mark_of(deal.ref) in claim for claim in claims):
                return made.id, False
            if not claims:
                await self._client.record(_claim_ask(deal, made.id))
                return made.id, False
        return None, True

    def _is_of_a_try(self, made: Deal, deal: DealIn, row: Record) -> bool:
        """Made by a program since we tried, for this person, with access like ours: of another title, if the lead has
        another name by now. Amount and stage say nothing: they are of the lead and the rules too, and change there."""
        is_since = deal.tried_at is not None and made.created_at >= deal.tried_at - _CLOCKS_DIFFER_BY
        account, by = self._client.context.account, id_of({"id": row.get("creator_user_id")})
        is_others = account is not None and None not in (account.user_id, by) and account.user_id != by
        return is_since and not is_others and row.get("origin") != _BY_HAND

    async def _is_there(self, id: str) -> bool:
        if not id.isdecimal():
            return False
        try:
            return (await self._client.record(Ask("GET", f"persons/{id}"))).get("is_deleted") is not True
        except PipedriveError as error:
            if error.kind is ErrorClass.NOT_FOUND:
                return False
            raise

    def _types(self, kind: Act) -> set[str]:
        name, usual = _TYPES[kind]
        listed = self._settings.get(name) or usual
        return {text.strip().casefold() for text in listed.split(",") if text.strip()}


def _is_titled(made: Deal, deal: DealIn, begun: datetime | None) -> bool:
    """Whatever became of the spaces there."""
    is_since = begun is None or made.created_at >= begun - _CLOCKS_DIFFER_BY
    return is_since and made.title.split() == deal.title.split()


def _look_ask(person_id: str) -> Ask:
    query = {"person_id": person_id, "sort_by": "id", "sort_direction": "desc", "limit": "100"}
    return Ask("GET", "deals", query=query)


def _create_ask(deal: DealIn, person_id: str) -> Ask:
    """A stage decides its pipeline: that one is not sent beside it."""
    body: dict[str, object] = {"title": deal.title, "person_id": _number(person_id)}
    if deal.stage:
        body["stage_id"] = _number(deal.stage)
    elif deal.pipeline:
        body["pipeline_id"] = _number(deal.pipeline)
    if deal.value is not None:
        body["value"] = number_of(deal.value.amount)
        if deal.value.currency:
            body["currency"] = deal.value.currency
    if deal.close is not None:
        body["expected_close_date"] = deal.close.isoformat()
    if deal.owner:
        body["owner_id"] = _number(deal.owner)
    return Ask("POST", "deals", body)


def _claim_ask(deal: DealIn, id: str) -> Ask:
    return notes.write_ask({"deal_id": _number(id)}, "Made for a lead of a website form.", mark=notes.mark_of(deal.ref))


def _number(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _owner(user: Record) -> Owner:
    active = user.get("active_flag") is not False and user.get("is_deleted") is not True
    email = user.get("email")
    return Owner(id_of(user) or "", str(user.get("name") or ""), str(email) if email else None, active)


def _pipeline(row: Record, stages: Sequence[Record]) -> Pipeline:
    mine = [
        stage for stage in stages if stage.get("pipeline_id") == row.get("id") and stage.get("is_deleted") is not True
    ]
    named = [Stage(id_of(stage) or "", str(stage.get("name") or ""), _order(stage), None) for stage in _in_order(mine)]
    return Pipeline(id_of(row) or "", str(row.get("name") or ""), named)


def _in_order(rows: Iterable[Record]) -> list[Record]:
    return sorted((row for row in rows if row.get("is_deleted") is not True), key=_order)


def _order(row: Record) -> int:
    return whole(row.get("order_nr")) or 0
