"""HubSpot's deals, owners and activities, and a deal for a lead."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

from site2crm.connectors.contract import Act, Context, CrmError, ErrorClass, Exchange, Warned, Written
from site2crm.connectors.hubspot import changes, records
from site2crm.connectors.hubspot.answers import HubSpotError
from site2crm.connectors.hubspot.connector import droppable
from site2crm.connectors.hubspot.portal import HUBSPOT_API_VERSION, Portal, after, id_of, objects, results
from site2crm.connectors.sales import Activity, Deal, DealIn, Directory, Known, Page, Pipeline, Status
from site2crm.connectors.turning import Turning
from site2crm.connectors.wire import Call, whole

_DEAL_TO_CONTACT = 3
_NOTE = "description"
"""The property in which a deal carries our reference: without one of our own, which needs another right, there is none
that is unique."""


class HubSpotSales:
    """One portal, as its salespeople use it."""

    def __init__(self, context: Context) -> None:
        self._portal = Portal(context)
        self._currency = context.account.currency if context.account else None

    async def directory(self) -> Directory:
        """Those who left too: deals of old are theirs."""
        owners = [*await self._owners(archived="false"), *await self._owners(archived="true")]
        return Directory([records.owner(item) for item in owners if item.get("id")], await self._pipelines())

    async def add_deal(self, deal: DealIn, person_id: str) -> Written:
        warnings: list[Warned] = []
        try:
            id = await self._made_before(deal.ref, person_id)
            created = id is None
            if id is None:
                id = await self._create(await self._complete(deal), person_id, warnings)
        except CrmError as error:
            return Written(deal.ref, error=error, warnings=warnings)
        return Written(deal.ref, id, created, self._portal.record_url("deals", id), warnings=warnings)

    def preview_deal(self, deal: DealIn, person_id: str) -> Sequence[Exchange]:
        """Without the looking up."""
        note, properties = "only if this lead's deal is not there yet", self._properties(deal)
        if "dealstage" not in properties:
            properties = {"pipeline": "(the first pipeline)", **properties, "dealstage": "(its first open stage)"}
        return self._portal.shown([self._create_call(properties, person_id)._replace(note=note)])

    async def deals(self, since: datetime | None, cursor: str | None) -> Page[Deal]:
        place = changes.begin(since, cursor)
        step = await changes.step(self._portal, "deals", place, properties=records.DEAL_PROPERTIES)
        found = [
            records.deal(record, url=self._portal.record_url("deals", record.id), tz=self._portal.tz)
            for record in step.records
        ]
        gone = [deal for record in step.records for deal in records.merged_into(record)]
        return Page([*found, *gone], step.place.encode(), step.more, step.place.total)

    async def activities(self, kind: Act, since: datetime | None, cursor: str | None) -> Page[Activity]:
        place = changes.begin(since, cursor)
        step = await changes.step(self._portal, records.ACTS[kind], place, properties=records.ACT_PROPERTIES[kind])
        found = [activity for record in step.records if (activity := records.activity(record, kind))]
        return Page(found, step.place.encode(), step.more, step.place.total)

    async def whereabouts(self, people: Sequence[Known]) -> Mapping[str, str]:
        """HubSpot tells what a contact was merged into: an address that another one has says nothing here."""
        ids = [person.id for person in people]
        there = {id_of(item) for item in await self._portal.batch_read("contacts", ids, ["email"])}
        # A merged contact answers with another id: whoever is not in the list is asked for alone.
        found = {id: id if id in there else await self._now(id) for id in ids}
        return {id: now for id, now in found.items() if now is not None}

    async def _now(self, person_id: str) -> str | None:
        try:
            return id_of(await self._portal.call("GET", f"{objects('contacts')}/{quote(person_id, safe='')}"))
        except HubSpotError as error:
            if error.kind is ErrorClass.NOT_FOUND:
                return None
            raise

    async def _owners(self, *, archived: str) -> list[dict[str, object]]:
        found: list[dict[str, object]] = []
        following: str | None = ""
        pages = Turning("HubSpot", "owners")
        while following is not None:
            pages.to(following)
            path = f"/crm/owners/{HUBSPOT_API_VERSION}?limit=100&archived={archived}"
            answer = await self._portal.call("GET", f"{path}&after={quote(following)}" if following else path)
            found += results(answer)
            following = after(answer)
        return found

    async def _pipelines(self) -> list[Pipeline]:
        answer = await self._portal.call("GET", f"/crm/pipelines/{HUBSPOT_API_VERSION}/deals")
        live = [item for item in results(answer) if item.get("id") and item.get("archived") is not True]
        return [records.pipeline(item) for item in sorted(live, key=_order)]

    async def _made_before(self, ref: str, person_id: str) -> str | None:
        """A try whose answer never came has made the deal all the same."""
        theirs = await changes.associated(self._portal, "contacts", person_id, "deals")
        for item in await self._portal.batch_read("deals", theirs, [_NOTE]):
            said = item.get("properties")
            if isinstance(said, dict) and _mark(ref) in str(said.get(_NOTE) or "").split("\n"):
                return id_of(item)
        return None

    async def _complete(self, deal: DealIn) -> dict[str, str]:
        """HubSpot wants a stage, and with several pipelines the pipeline: the first open one unless told."""
        properties = self._properties(deal)
        if "dealstage" in properties:
            return properties
        wanted = properties.get("pipeline")
        for pipeline in await self._pipelines():
            first = next((stage for stage in pipeline.stages if stage.status is Status.OPEN), None)
            if first and wanted in (None, pipeline.id):
                return {**properties, "pipeline": pipeline.id, "dealstage": first.id}
        text = f"HubSpot has no pipeline {wanted!r} with an open stage." if wanted else "HubSpot has no open stage."
        raise CrmError(ErrorClass.PERMANENT, text, code="NO_STAGE", field="pipeline")

    async def _create(self, properties: dict[str, str], person_id: str, warnings: list[Warned]) -> str:
        while True:
            try:
                id = id_of(await self._portal.exchange(self._create_call(properties, person_id)))
            except HubSpotError as error:
                dropped = [warned for warned in droppable(error, properties) if warned.property != _NOTE]
                if any(warned.property == records.CURRENCY for warned in dropped) and "amount" in properties:
                    # Without its currency it would be another amount: the account's own is taken then.
                    dropped.append(
                        Warned("amount", f"{properties['amount']} {properties[records.CURRENCY]} was left out.")
                    )
                if not dropped:
                    raise
                warnings += dropped
                for warned in dropped:
                    del properties[warned.property]
            else:
                if id is None:
                    text = "HubSpot answered without the deal's id."
                    raise HubSpotError(ErrorClass.RETRY, text, code="not_json")
                return id

    def _create_call(self, properties: Mapping[str, str], person_id: str) -> Call:
        link = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": _DEAL_TO_CONTACT}
        body = {"properties": properties, "associations": [{"to": {"id": person_id}, "types": [link]}]}
        return self._portal.json_call("POST", objects("deals"), body)

    def _properties(self, deal: DealIn) -> dict[str, str]:
        said = records.encoded(deal, currency=self._currency, tz=self._portal.tz)
        return {**said, _NOTE: _mark(deal.ref)}


def _mark(ref: str) -> str:
    return f"Site2CRM {ref}"


def _order(item: Mapping[str, object]) -> int:
    return whole(item.get("displayOrder")) or 0
