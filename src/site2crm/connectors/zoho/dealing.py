"""Makes a deal for a person, once (crm/zoho.md 5). A lead is converted by it; a contact gets one more deal.

Deals have no key of ours, and an upsert would merge two of one name. So each carries our reference in a line of its
description, and a repeat looks for it among the newest deals of the contact.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from site2crm.connectors.contract import CrmError, ErrorClass, Exchange, Warned
from site2crm.connectors.sales import DealIn, Money, Pipeline, Status
from site2crm.connectors.zoho import answers
from site2crm.connectors.zoho.answers import ZohoError
from site2crm.connectors.zoho.client import Client, link_of, quoted, rows_of
from site2crm.connectors.zoho.placing import LOCATED
from site2crm.connectors.zoho.properties import CONTACTS, LEADS, Row, is_writable
from site2crm.kit import clock

_CLOSES_IN = timedelta(days=30)
"""Expected, if nobody says: Zoho makes no deal without a date."""
_LOOKED_AT = 50
"""Deals of one contact, the newest: a repeat comes within days."""
_NOTE = "Description"
"""Where our reference stands: a deal without it would not be found again, and made twice."""
_AT_CONVERSION = frozenset({"Deal_Name", "Stage", "Pipeline", "Amount", "Closing_Date", _NOTE})


class Dealing:
    """One deal. `home`: the organisation's currency, if it is known; `warnings`: what had to be left out."""

    def __init__(self, client: Client, *, home: str | None) -> None:
        self._client = client
        self._home = home
        self.warnings: list[Warned] = []

    async def add(self, deal: DealIn, person_id: str, pipelines: Sequence[Pipeline]) -> tuple[str, bool]:
        """The deal's id, and whether it was made now. Raises CrmError: NOT_FOUND if the person is gone."""
        row = await self._row(deal, pipelines)
        contact, is_lead = await self._person(person_id)
        if not is_lead:
            return await self._of_contact(deal, row, contact)
        try:
            return await self._converted(person_id, row), True
        except ZohoError as error:
            if error.code != "ID_ALREADY_CONVERTED":
                raise
        contact, _ = await self._person(person_id)
        return await self._of_contact(deal, row, contact)

    def preview(self, deal: DealIn, person_id: str, *, module: str) -> list[Exchange]:
        """Without the looking up."""
        stage = deal.stage or "(its first open stage)"
        row = _row_of(deal, pipeline=deal.pipeline or "(the first pipeline)", stage=stage)
        row |= _amount(deal.value, self._home)
        if module == LEADS:
            body = {"data": [_conversion(row)]}
            note = "while the person is a lead; a contact gets the deal without this"
            calls = [self._client.shown("POST", f"Leads/{person_id}/actions/convert", body, note=note)]
            if rest := _rest(row):
                body = {"data": [{"id": "(the deal's id)", **rest}]}
                calls.append(self._client.shown("PUT", "Deals", body, note="what a conversion does not take"))
            return calls
        body = {"data": [{**row, "Contact_Name": {"id": person_id}}]}
        return [self._client.shown("POST", "Deals", body, note="only if this lead's deal is not there yet")]

    async def _of_contact(self, deal: DealIn, row: Row, contact: str) -> tuple[str, bool]:
        if id := await self._made_before(deal.ref, contact):
            await self._add_rest(id, row)
            return id, False
        return await self._made({**row, "Contact_Name": {"id": contact}}), True

    async def _made_before(self, ref: str, contact: str) -> str | None:
        """A try whose answer never came has made the deal all the same."""
        theirs, _ = await self._client.query(_newest_deals(contact))
        for row in await self._client.by_ids("Deals", [str(deal["id"]) for deal in theirs], _NOTE):
            if _mark(ref) in str(row.get(_NOTE) or "").splitlines():
                return str(row["id"])
        return None

    async def _made(self, row: Row) -> str:
        [told] = await self._client.write("POST", "Deals", {"data": [row]})
        if not answers.is_success(told):
            error = answers.refusal(told)
            if dropped := await self._unwritable(error, row):
                return await self._made({name: value for name, value in row.items() if name not in dropped})
            raise _final(error)
        return answers.id_of(told)

    async def _converted(self, lead: str, row: Row) -> str:
        """One call makes the contact, the account and the deal. It is not safe to repeat: Zoho then says so."""
        try:
            said = await self._client.send("POST", f"Leads/{lead}/actions/convert", {"data": [_conversion(row)]})
        except ZohoError as error:
            if dropped := await self._unwritable(error, row):
                return await self._converted(lead, {name: value for name, value in row.items() if name not in dropped})
            raise
        told = rows_of(said, "data")
        details = told[0].get("details") if told else None
        id = link_of(details, "Deals") if isinstance(details, dict) else None
        if id is None:
            raise ZohoError(ErrorClass.RETRY, "Zoho converted the lead and named no deal.", code="not_json")
        await self._add_rest(id, row)
        return id

    async def _add_rest(self, id: str, row: Row) -> None:
        """A conversion takes some fields only; what a repeat writes again is the same."""
        rest = _rest(row)
        if not rest:
            return
        [told] = await self._client.write("PUT", "Deals", {"data": [{"id": id, **rest}]})
        if answers.is_success(told):
            return
        error = answers.refusal(told)
        if dropped := await self._unwritable(error, rest):
            await self._add_rest(id, {name: value for name, value in rest.items() if name not in dropped})
        else:
            raise _final(error)

    async def _unwritable(self, error: ZohoError, row: Row) -> set[str]:
        """What Zoho does not have or does not let us write, if that is what it complains about."""
        if error.code != "INVALID_DATA" or error.field not in row:
            return set()
        dropped = {"Owner"}
        if error.field != "Owner":
            known = {str(item.get("api_name")): is_writable(item) for item in await self._client.fields("Deals")}
            dropped = {name for name in row if name != _NOTE and not known.get(name, False)}
        if error.field not in dropped:
            return set()
        self.warnings += [Warned(name, error.text) for name in sorted(dropped)]
        return dropped

    async def _row(self, deal: DealIn, pipelines: Sequence[Pipeline]) -> Row:
        pipeline, stage = _placed(deal, pipelines)
        row = _row_of(deal, pipeline=pipeline, stage=stage)
        home = self._home
        if deal.value and deal.value.currency and home and deal.value.currency != home:
            await self._check_currency(deal.value.currency, home)
        return row | _amount(deal.value, home)

    async def _check_currency(self, currency: str, home: str) -> None:
        """Where there is one currency only Zoho would keep the number, and it would be another amount."""
        field = next((f for f in await self._client.fields("Deals") if f.get("api_name") == "Currency"), None)
        values = field.get("pick_list_values") if field else None
        known = (
            [str(one.get("actual_value")) for one in values if isinstance(one, dict)]
            if isinstance(values, list)
            else []
        )
        if currency not in known:
            listed = ", ".join([home, *(code for code in known if code != home)])
            text = f"Zoho CRM does not keep amounts in {currency} here: it knows {listed}."
            raise CrmError(ErrorClass.PERMANENT, text, code="CURRENCY", field="Currency")

    async def _person(self, id: str) -> tuple[str, bool]:
        """The id of the lead or the contact, and whether it is a lead."""
        rows = await self._client.by_ids(LEADS, [id], LOCATED)
        if rows:
            contact = link_of(rows[0], "Converted_Contact")
            return contact or id, contact is None
        if await self._client.by_ids(CONTACTS, [id], "id"):
            return id, False
        raise CrmError(ErrorClass.NOT_FOUND, "The person is no longer in Zoho CRM.", code="NOT_FOUND")


def _row_of(deal: DealIn, *, pipeline: str | None, stage: str | None) -> Row:
    close = deal.close or (clock.now() + _CLOSES_IN).date()
    row: Row = {"Deal_Name": deal.title, "Closing_Date": close.isoformat(), _NOTE: _mark(deal.ref)}
    row |= {"Stage": stage} if stage else {}
    row |= {"Pipeline": pipeline} if pipeline else {}
    return row | ({"Owner": {"id": deal.owner}} if deal.owner else {})


def _amount(value: Money | None, home: str | None) -> Row:
    if value is None:
        return {}
    amount: Row = {"Amount": float(Decimal(value.amount))}
    return amount | ({"Currency": value.currency} if value.currency and value.currency != home else {})


def _placed(deal: DealIn, pipelines: Sequence[Pipeline]) -> tuple[str | None, str | None]:
    """What is not said is the first pipeline and its first stage that is open."""
    chosen = next(
        (one for one in pipelines if deal.pipeline in (one.id, one.label)), pipelines[0] if pipelines else None
    )
    pipeline = deal.pipeline or (chosen.id if chosen else None)
    if deal.stage or chosen is None:
        return pipeline, deal.stage
    first = next((one.id for one in chosen.stages if one.status in (Status.OPEN, None)), None)
    return pipeline, first


def _conversion(row: Row) -> Row:
    """Nothing that Zoho knows of an existing contact or account is overwritten."""
    taken = {name: value for name, value in row.items() if name in _AT_CONVERSION}
    return {"overwrite": False, "notify_lead_owner": True, "notify_new_entity_owner": False, "Deals": taken}


def _rest(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in _AT_CONVERSION}


def _newest_deals(contact: str) -> str:
    of_contact = f"where Contact_Name = {quoted(contact)} order by id desc limit 0, {_LOOKED_AT}"
    return f"select id from Deals {of_contact}"  # noqa: S608 - the value is quoted


def _mark(ref: str) -> str:
    return f"Site2CRM {ref}"


def _final(error: ZohoError) -> CrmError:
    if error.kind is ErrorClass.CONFLICT:
        error.kind = ErrorClass.PERMANENT
    return error
