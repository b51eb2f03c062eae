"""Salesforce's opportunities, owners and activities, and an opportunity for a contact (crm/salesforce.md 5 to 7)."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from site2crm.connectors.contract import Act, Context, CrmError, ErrorClass, Exchange, Warned, Written
from site2crm.connectors.sales import Activity, Deal, DealIn, Directory, Known, Page, Pipeline
from site2crm.connectors.salesforce import answers, changes, rows, soql
from site2crm.connectors.salesforce.answers import SalesforceError
from site2crm.connectors.salesforce.changes import Place
from site2crm.connectors.salesforce.client import DATA, Client, Row, dictionary
from site2crm.connectors.salesforce.connector import target_of
from site2crm.connectors.salesforce.finding import alive
from site2crm.connectors.salesforce.login import host_of
from site2crm.connectors.salesforce.properties import CONTACT, LEAD
from site2crm.connectors.salesforce.saving import Record, mend
from site2crm.kit import clock

PIPELINE = "opportunities"
"""There are none: what looks like several sales processes are kinds of records."""
COMPOSITE = f"{DATA}/composite"
_OPEN_FOR = timedelta(days=30)
"""Salesforce wants a date on which the deal closes."""
_HALTED = "PROCESSING_HALTED"
_AT_ONCE = 200
LEADS_HAVE_NONE = "A lead of Salesforce has no deals before it is converted. Let people become contacts instead."


def bars_deals(settings: Mapping[str, str]) -> str:
    """Why no deals can be made with these settings; "" where they can."""
    return LEADS_HAVE_NONE if target_of(settings) == LEAD else ""


class SalesforceSales:
    """One org, as its salespeople use it."""

    def __init__(self, context: Context) -> None:
        host_of(context.settings)
        self._reading = Client(context, polls=True)
        self._writing = Client(context)
        self._target = target_of(context.settings)
        self._currency = context.account.currency if context.account else None

    async def directory(self) -> Directory:
        """Those who left too: deals of old are theirs."""
        columns = ("Id", "Name", "Email", "IsActive")
        users = soql.select(columns, "User", "WHERE UserType = 'Standard' ORDER BY Name")
        owners = [rows.owner(row) for row in await self._reading.query(users)]
        stages = soql.select(rows.STAGE_COLUMNS, "OpportunityStage", "ORDER BY SortOrder")
        found = [rows.stage(row) for row in await self._reading.query(stages)]
        return Directory(owners, [Pipeline(PIPELINE, "Opportunities", found)])

    async def add_deal(self, deal: DealIn, person_id: str) -> Written:
        record = Record("Opportunity", self._values(deal))
        try:
            contact = await self._contact(person_id)
            id = await self._made_before(deal.ref, contact)
            if id is None:
                await self._complete(record, str(contact["Id"]), account=contact.get("AccountId"))
        except CrmError as error:
            return Written(deal.ref, error=error, warnings=record.warnings)
        if record.error is not None:
            return Written(deal.ref, error=record.error, warnings=record.warnings)
        done = id or record.id
        return Written(deal.ref, done, id is None, self._writing.record_url(str(done)), warnings=record.warnings)

    def preview_deal(self, deal: DealIn, person_id: str) -> Sequence[Exchange]:
        """Without the looking up."""
        record = Record("Opportunity", self._values(deal))
        record.values.setdefault("StageName", "(the first open stage)")
        record.values.setdefault("AccountId", "(the contact's account, if there is one)")
        body = _with_contact(record, person_id)
        return [self._writing.preview("POST", COMPOSITE, body, note="only if this lead's deal is not there yet")]

    async def deals(self, since: datetime | None, cursor: str | None) -> Page[Deal]:
        found = await changes.read(
            self._reading,
            rows.DEAL_COLUMNS,
            "Opportunity",
            place=Place.of(since, cursor),
            optional=rows.DEAL_OPTIONAL,
            counts=cursor is None,
        )
        leads = await self._converted(found.rows) if self._target == LEAD else {}
        deals = [
            rows.deal(
                row,
                pipeline=PIPELINE,
                leads=leads.get(str(row.get("Id")), ()),
                url=self._reading.record_url(str(row.get("Id"))),
            )
            for row in found.rows
        ]
        return Page(deals, found.place.cursor, found.more, found.total)

    async def activities(self, kind: Act, since: datetime | None, cursor: str | None) -> Page[Activity]:
        source = rows.SOURCES[kind]
        found = await changes.read(
            self._reading,
            source.columns,
            source.table,
            only=source.only,
            place=Place.of(since, cursor),
            optional=rows.ACTIVITY_OPTIONAL,
            counts=cursor is None,
        )
        return Page([rows.activity(row, kind) for row in found.rows], found.place.cursor, found.more, found.total)

    async def whereabouts(self, people: Sequence[Known]) -> Mapping[str, str]:
        """Salesforce tells what a record was merged into: an address that another one has says nothing here."""
        found: dict[str, str] = {}
        for table, prefix in ((LEAD, "00Q"), (CONTACT, "003")):
            ids = [person.id for person in people if person.id.startswith(prefix) and soql.is_id(person.id)]
            for start in range(0, len(ids), _AT_ONCE):
                rows = await alive(self._reading, table, ids[start : start + _AT_ONCE])
                found |= {id: id if str(row["Id"])[:15] == id[:15] else str(row["Id"]) for id, row in rows.items()}
        return found

    async def _converted(self, deals: Sequence[Row]) -> Mapping[str, Sequence[str]]:
        """The leads that have become these opportunities: our leads are known by their ids."""
        if not deals:
            return {}
        inner = soql.select(("Id",), "Opportunity", f"WHERE {_span(deals[0], deals[-1])}")
        columns = ("Id", "ConvertedOpportunityId")
        query = soql.select(columns, LEAD, f"WHERE IsConverted = true AND ConvertedOpportunityId IN ({inner})")
        found: dict[str, list[str]] = {}
        try:
            leads = await self._reading.query(query)
        except SalesforceError as error:
            if error.kind is ErrorClass.CONFIG:  # who may not see leads still sees deals
                return {}
            raise
        for row in leads:
            found.setdefault(str(row.get("ConvertedOpportunityId")), []).append(str(row.get("Id")))
        return found

    async def _contact(self, person_id: str) -> Row:
        """Whom the deal is about; a lead that was converted is its contact."""
        id = person_id
        if id.startswith("00Q"):
            lead = (await alive(self._writing, LEAD, [id] if soql.is_id(id) else [])).get(id, {})
            id = str(lead.get("ConvertedContactId") or "")
            if not id:
                raise CrmError(ErrorClass.PERMANENT, LEADS_HAVE_NONE, code="LEAD_WITHOUT_DEALS")
        contact = (await alive(self._writing, CONTACT, [id] if soql.is_id(id) else [])).get(id)
        if contact is None:
            raise CrmError(ErrorClass.NOT_FOUND, "The contact of this deal is gone.", code="NO_CONTACT")
        return contact

    async def _made_before(self, ref: str, contact: Row) -> str | None:
        """A try whose answer never came has made the deal all the same. Long texts cannot be searched, only read."""
        theirs = soql.select(
            ("OpportunityId",), "OpportunityContactRole", f"WHERE ContactId = {soql.text(str(contact['Id']))}"
        )
        query = soql.select(("Id", "Description"), "Opportunity", f"WHERE Id IN ({theirs}) ORDER BY CreatedDate DESC")
        for row in await self._writing.query(query):
            if _mark(ref) in str(row.get("Description") or "").split("\n"):
                return str(row.get("Id"))
        return None

    async def _complete(self, record: Record, contact_id: str, *, account: object) -> None:
        if account:
            record.values.setdefault("AccountId", account)
        if "StageName" not in record.values:
            record.values["StageName"] = await self._first_stage()
        while True:
            record.error = None
            try:
                record.id = _deal_in(await self._writing.send("POST", COMPOSITE, _with_contact(record, contact_id)))
            except SalesforceError as error:
                record.error = error
                if not self._without_currency(record, error) and not mend(record):
                    record.error = _final(error)
                    return
            else:
                record.created = True
                return

    def _without_currency(self, record: Record, error: SalesforceError) -> bool:
        """An org with a single currency knows no other: an amount in another one would be wrong there."""
        if "CurrencyIsoCode" not in error.unwritable or "CurrencyIsoCode" not in record.values:
            return False
        told = record.values.pop("CurrencyIsoCode")
        if self._currency != told:
            amount = record.values.pop("Amount", "")
            text = f"This org keeps amounts in {self._currency or 'one currency'} only: {amount} {told} was left out."
            record.warnings.append(Warned("Amount", text))
        return True

    async def _first_stage(self) -> str:
        where = "WHERE IsActive = true AND IsClosed = false ORDER BY SortOrder LIMIT 1"
        found = await self._writing.query(soql.select(("ApiName",), "OpportunityStage", where))
        if not found:
            raise CrmError(ErrorClass.PERMANENT, "Salesforce has no open stage.", code="NO_STAGE", field="StageName")
        return str(found[0].get("ApiName"))

    def _values(self, deal: DealIn) -> dict[str, object]:
        values: dict[str, object] = {"Name": deal.title[: rows.LONGEST_TITLE], "Description": _mark(deal.ref)}
        values["CloseDate"] = (deal.close or (clock.now() + _OPEN_FOR).date()).isoformat()
        if deal.stage:
            values["StageName"] = deal.stage
        if deal.owner:
            values["OwnerId"] = deal.owner
        if deal.value is not None:
            values["Amount"] = deal.value.amount
            if deal.value.currency:
                values["CurrencyIsoCode"] = deal.value.currency
        return values


def _span(first: Row, last: Row) -> str:
    """A page of deals, in the order in which they are read."""
    since, until = rows.stamp(first), rows.stamp(last)
    span = f"SystemModstamp >= {since} AND SystemModstamp <= {until}"
    if since != until:
        return span
    # A change of very many at once has many pages: each would be told the leads of all.
    return f"{span} AND Id >= {soql.text(str(first.get('Id')))} AND Id <= {soql.text(str(last.get('Id')))}"


def _with_contact(record: Record, contact_id: str) -> dict[str, object]:
    """Both or none: a deal without its person would not be found again."""
    role = {"OpportunityId": "@{deal.id}", "ContactId": contact_id, "IsPrimary": True}
    return {
        "allOrNone": True,
        "compositeRequest": [
            _part("deal", "Opportunity", record.body),
            _part("role", "OpportunityContactRole", role),
        ],
    }


def _part(name: str, table: str, body: Mapping[str, object]) -> dict[str, object]:
    return {"method": "POST", "url": f"{DATA}/sobjects/{table}", "referenceId": name, "body": body}


def _deal_in(said: object) -> str:
    """The whole is 200 whatever happened. Raises SalesforceError with the complaint that halted the rest."""
    parts = dictionary(said).get("compositeResponse")
    answered = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    for part in answered:
        status, body = part.get("httpStatusCode"), part.get("body")
        refusals = [item for item in body if isinstance(item, dict)] if isinstance(body, list) else []
        if refusals and refusals[0].get("errorCode") != _HALTED and isinstance(status, int):
            raise answers.refused(refusals, status=status)
    deal = next((part for part in answered if part.get("referenceId") == "deal"), {})
    return answers.result(deal.get("body"))


def _final(error: SalesforceError) -> SalesforceError:
    if error.kind in (ErrorClass.CONFLICT, ErrorClass.NOT_FOUND):
        error.kind = ErrorClass.PERMANENT
    return error


def _mark(ref: str) -> str:
    return f"Site2CRM {ref}"
