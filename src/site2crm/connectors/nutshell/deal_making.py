"""Makes deals (leads, as Nutshell calls them), each once.

Nutshell has no key for repeats and no field of its own for a reference: a short mark, made of the reference, stands at
the end of the title, and is looked for first, in the list and in the latest events.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote

from site2crm.connectors.contract import CrmError, Exchange, Warned, Written
from site2crm.connectors.nutshell import answers
from site2crm.connectors.nutshell.access import LIST_BYTES, Access
from site2crm.connectors.nutshell.answers import Record
from site2crm.connectors.nutshell.feed import recent, told_of
from site2crm.connectors.nutshell.properties import ids_in
from site2crm.connectors.nutshell.values import money
from site2crm.connectors.sales import DealIn, Money
from site2crm.connectors.wire import Call, masked
from site2crm.kit import ids

NOON_S = 12 * 3600
_MARK = 8
_MARKED = re.compile(r" \[[0-9A-HJKMNP-TV-Z]{8}\]$")


class DealMaker:
    def __init__(self, access: Access) -> None:
        self._access = access

    async def add(self, deal: DealIn, person_id: str) -> Written:
        try:
            return await self._added(deal, person_id)
        except CrmError as error:
            return Written(deal.ref, error=error)

    def preview(self, deal: DealIn, person_id: str) -> Sequence[Exchange]:
        """What is written for a deal that is not there yet; before, its mark is looked for."""
        calls = [self._create_call(deal, person_id, self._warnings(deal))]
        if deal.value is not None and self._is_unsure_of(deal):
            note = f"if the account keeps amounts in {deal.value.currency}; else the amount is left out"
            calls.append(self._price_call("the lead's id", deal.value)._replace(note=note))
        if deal.pipeline:
            note = "only if the lead is in another pipeline"
            calls.append(self._move_call("the lead's id", deal.pipeline)._replace(note=note))
        return [masked(self._access.context, call) for call in calls]

    async def _added(self, deal: DealIn, person_id: str) -> Written:
        warnings = self._warnings(deal)
        lead, created = await self._find(deal), False
        if lead is None:
            made = await self._access.send(self._create_call(deal, person_id, warnings))
            lead, created = answers.one(made, "leads"), True
        written = Written(deal.ref, str(lead["id"]), created, _url(lead))
        try:
            if self._is_unsure_of(deal):
                await self._price(deal, lead, warnings)
            await self._move(deal, lead, warnings)
        except CrmError as error:
            return replace(written, error=error, warnings=warnings)
        return replace(written, warnings=warnings)

    async def _find(self, deal: DealIn) -> Record | None:
        listed = answers.listed(await self._access.get("/leads", query=_search(deal), max_bytes=LIST_BYTES), "leads")
        if found := _marked(listed, deal):
            return found
        return _marked(await told_of(self._access, recent(("leads",))), deal)

    async def _move(self, deal: DealIn, lead: Record, warnings: list[Warned]) -> None:
        """A pipeline is chosen by a call of its own; no call is known that chooses a stage (contract, 5)."""
        if deal.pipeline and deal.pipeline not in ids_in(lead.get("links"), "stageset"):
            body = await self._access.send(self._move_call(str(lead["id"]), deal.pipeline))
            lead = next(iter(answers.listed(body, "leads")), lead)
        if deal.stage and deal.stage not in ids_in(lead.get("links"), "stage"):
            warnings.append(Warned("stage", "Nutshell lets a lead begin in the first stage of its pipeline only."))

    @property
    def _ours(self) -> str | None:
        """Of the account; an account without any lead does not tell."""
        account = self._access.context.account
        return account.currency if account else None

    def _is_unsure_of(self, deal: DealIn) -> bool:
        """Whether its amount would be taken for one in a currency that we do not know."""
        return deal.value is not None and bool(deal.value.currency) and self._ours is None

    async def _price(self, deal: DealIn, lead: Record, warnings: list[Warned]) -> None:
        """The lead is there without an amount, and tells the currency by now."""
        assert deal.value is not None
        told = lead.get("value")
        ours = told.get("currency") if isinstance(told, dict) else None
        if ours != deal.value.currency:
            warnings.append(_left_out(deal.value, str(ours or "another currency")))
        elif (there := money(told, None)) is None or not there.amount:
            await self._access.send(self._price_call(str(lead["id"]), deal.value))

    def _warnings(self, deal: DealIn) -> list[Warned]:
        if deal.value is None or not deal.value.currency or self._ours in (None, deal.value.currency):
            return []
        return [_left_out(deal.value, str(self._ours))]

    def _create_call(self, deal: DealIn, person_id: str, warnings: Sequence[Warned]) -> Call:
        links: Record = {"contacts": [person_id]}
        if deal.owner:
            links["owner"] = deal.owner
        lead: Record = {"description": _title(deal), "links": links}
        is_sure = not self._is_unsure_of(deal) and all(warned.property != "value" for warned in warnings)
        if deal.value is not None and is_sure:
            lead["manualValue"] = format(deal.value.amount, "f")
        if deal.close:
            # At noon, so that it is the same day in most places.
            lead["dueTime"] = {"timestamp": (deal.close.toordinal() - _EPOCH) * 86_400 + NOON_S}
        return self._access.call("POST", "/leads", {"leads": [lead]}, note="only if no lead has this mark")

    def _price_call(self, id: str, value: Money) -> Call:
        change = {"op": "replace", "path": "/leads/0/manualValue", "value": format(value.amount, "f")}
        return self._access.call("PATCH", f"/leads/{quote(id, safe='')}", [change])

    def _move_call(self, id: str, pipeline: str) -> Call:
        return self._access.call("POST", f"/leads/{quote(id, safe='')}/stageset", {"stageset": pipeline})


_EPOCH = 719_163
"""The ordinal of 1970-01-01."""


def _left_out(value: Money, ours: str) -> Warned:
    return Warned("value", f"Nutshell keeps amounts in {ours} here; {value.amount} {value.currency} was left out.")


def without_mark(title: str) -> str:
    """As it was before we marked it."""
    return _MARKED.sub("", title)


def _title(deal: DealIn) -> str:
    return f"{deal.title} [{_mark(deal)}]"


def _mark(deal: DealIn) -> str:
    return ids.derived("deal", deal.ref)[-_MARK:]


def _search(deal: DealIn) -> list[tuple[str, str]]:
    return [("q", _mark(deal)), ("page[page]", "0"), ("page[limit]", "100")]


def _marked(leads: Sequence[Record], deal: DealIn) -> Record | None:
    end = f"[{_mark(deal)}]"
    names = ((lead, str(lead.get("name") or lead.get("description") or "")) for lead in leads)
    return next((lead for lead, name in names if name.endswith(end) and not lead.get("deletedTime")), None)


def _url(lead: Record) -> str | None:
    url = lead.get("htmlUrl")
    return url if isinstance(url, str) and url.startswith("https://") else None
