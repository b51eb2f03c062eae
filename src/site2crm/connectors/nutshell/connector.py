"""Nutshell's people: verify, discover custom fields, find or make contacts, companies and notes (contract, 3 to 6).

Nutshell has no upsert and no unique e-mail, and its lists lag: before a contact is made, the list and the latest events
are asked, under a lock for this connection and person; and under one for the company, if the lead names one.
"""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from urllib.parse import quote
from weakref import WeakValueDictionary

from site2crm.connectors.contract import (
    EMPTY,
    Account,
    Act,
    Caps,
    Context,
    CrmError,
    ErrorClass,
    Exchange,
    FieldDef,
    Kind,
    PersonIn,
    Warned,
    Written,
    several,
)
from site2crm.connectors.nutshell import answers, companies, notes
from site2crm.connectors.nutshell.access import LIST_BYTES, Access, Query
from site2crm.connectors.nutshell.answers import NutshellError, Record
from site2crm.connectors.nutshell.feed import Lately, order_of, recent
from site2crm.connectors.nutshell.properties import (
    COMPANY,
    NOTE,
    PATHS,
    STANDARD,
    Values,
    changes,
    custom_field,
    emails_of,
    new_contact,
    numbers_of,
    same_number,
)
from site2crm.connectors.singly import one_by_one
from site2crm.connectors.wire import Call, masked

SITE = "https://app.nutshell.com"
_TABLES = {Kind.PERSON: "contacts", Kind.COMPANY: "accounts", Kind.DEAL: "leads"}
_turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()


class Nutshell:
    """One Nutshell account behind an API key."""

    caps = Caps(
        static_key=True,
        hooks="manual",
        deals=True,
        add_deals=True,
        activities=frozenset({Act.CALL, Act.MEETING}),
    )

    def __init__(self, context: Context) -> None:
        self._context = context
        self._access = Access(context)

    async def verify(self) -> Account:
        """The company, the user whose e-mail was given, and the currency of its leads."""
        users, told = await self._access.users()
        company, email = str(told.get("instanceId") or ""), self._access.email.lower()
        me = next((user for user in users if email in _addresses(user)), None)
        id = str(me["id"]) if me else None
        name = f"Nutshell account {company}" if company else f"Nutshell of {self._access.email}"
        currency = await self._currency()
        return Account(id=company or id or email, name=name, user_id=id, currency=currency, url=SITE)

    async def fields(self, kind: Kind) -> Sequence[FieldDef]:
        """The custom fields, and for people what a contact has besides."""
        path = f"/{_TABLES[kind]}/customfields/attributes"
        body = await self._access.get(path, max_bytes=LIST_BYTES)
        found = [custom_field(item) for item in answers.listed(body, "customFields")]
        custom = sorted((field for field in found if field), key=lambda field: field.label.casefold())
        return [*(STANDARD if kind is Kind.PERSON else ()), *custom]

    async def upsert_people(self, people: Sequence[PersonIn]) -> Sequence[Written]:
        """One after the other; a dead key or a reached limit is not tried again for the rest."""
        return await one_by_one(people, self._upsert_in_turn)

    def preview(self, person: PersonIn) -> Sequence[Exchange]:
        """What `upsert_people` sends for somebody who is not there yet, or for the contact that is known."""
        values, access = Values(person), self._access
        known = quote(person.known_id, safe="") if person.known_id else None
        account = "the company's id" if COMPANY in values.own else None
        if known:
            calls = [access.call("GET", f"/contacts/{known}", note="what it has already is not sent again")]
        else:
            calls = [access.call("GET", "/contacts", query=query) for query in _lookups(values)]
            calls.append(access.call("GET", "/events", query=recent(("contacts", "accounts"))))
        if COMPANY in values.own:
            calls += companies.calls(access, values.own[COMPANY])
        if known:
            calls.append(access.call("PATCH", f"/contacts/{known}", changes(values, {}, account_id=account)))
        else:
            calls.append(self._create_call(values, account, note="only if no contact is found"))
        if NOTE in values.own:
            calls.append(notes.call(access, person.known_id or "the contact's id", notes.body(person, values)))
        return [masked(self._context, call) for call in calls]

    def _turn_of(self, person: PersonIn) -> asyncio.Lock:
        return self._turn((person.email or person.phone or person.lead or person.ref).lower())

    def _turn(self, key: str) -> asyncio.Lock:
        return _turns.setdefault((self._context.connection_id, key), asyncio.Lock())

    async def _currency(self) -> str | None:
        leads = answers.listed(await self._access.get("/leads", query=first_page(1), max_bytes=LIST_BYTES), "leads")
        value = leads[0].get("value") if leads else None
        currency = value.get("currency") if isinstance(value, dict) else None
        return currency if isinstance(currency, str) and currency else None

    async def _upsert_in_turn(self, person: PersonIn) -> Written:
        async with self._turn_of(person):
            return await self._upsert(person)

    async def _upsert(self, person: PersonIn) -> Written:
        values, warnings = Values(person), list[Warned]()
        if values.empty:
            error = CrmError(ErrorClass.PERMANENT, "Nothing of this lead is mapped to Nutshell.", code=EMPTY)
            return Written(person.ref, error=error)
        while True:
            try:
                written = await self._placed(person, values, warnings)
            except NutshellError as error:
                dropped = await self._droppable(error, values)
                if not dropped:
                    return Written(person.ref, error=_final(error), warnings=warnings)
                warnings += dropped
                values.without([warned.property for warned in dropped])
            except CrmError as error:
                return Written(person.ref, error=error, warnings=warnings)
            else:
                return await self._noted(person, values, written, warnings)

    async def _placed(self, person: PersonIn, values: Values, warnings: list[Warned]) -> Written:
        name = values.own.get(COMPANY, "")
        async with self._turn(f"company {name.strip().casefold()}") if name else nullcontext():
            lately = Lately(self._access)  # asked in our turn: a company made in the one before it is there
            contact = await self._find(person, values, lately, warnings)
            account_id = await self._company(name, lately, values, warnings) if name else None
        if contact is None:
            made = answers.one(await self._access.send(self._create_call(values, account_id)), "contacts")
            return Written(person.ref, str(made["id"]), True, _url(made))
        contact, id = await self._whole(contact), str(contact["id"])
        if operations := changes(values, contact, account_id=account_id):
            await self._access.send(self._access.call("PATCH", f"/contacts/{quote(id, safe='')}", operations))
        return Written(person.ref, id, False, _url(contact))

    async def _find(self, person: PersonIn, values: Values, lately: Lately, warnings: list[Warned]) -> Record | None:
        """By the known id, else by e-mail, else by number; of several with one address the oldest."""
        if person.known_id and (known := await self._access.record("contacts", person.known_id)):
            return known
        for query in _lookups(values):
            body = await self._access.get("/contacts", query=query, max_bytes=LIST_BYTES)
            listed = answers.listed(body, "contacts")
            if found := _fitting(listed, values):
                alike = len(of_address(listed, values.email)) if values.email else 1
                warnings += [told] if alike > 1 and (told := several(alike, "contacts")) not in warnings else []
                return found
        return _fitting(await lately.of("contacts"), values) if values.email or values.phone else None

    async def _whole(self, contact: Record) -> Record:
        """A list may tell less of a contact than it has: what is not known to be there would be added again."""
        if all(name in contact for name in ("emails", "phones", "links")):
            return contact
        return await self._access.record("contacts", str(contact["id"])) or contact

    async def _company(self, name: str, lately: Lately, values: Values, warnings: list[Warned]) -> str | None:
        try:
            return await companies.find_or_make(self._access, name, lately)
        except NutshellError as error:
            if error.kind is not ErrorClass.PERMANENT:
                raise
            warnings.append(Warned(COMPANY, error.text))
            values.without([COMPANY])
            return None

    async def _noted(self, person: PersonIn, values: Values, written: Written, warnings: list[Warned]) -> Written:
        """The contact stands by now: its id is told even if the note has to be tried again."""
        try:
            if NOTE in values.own and written.id:
                await notes.write(self._access, person, values, contact_id=written.id, fresh=written.created)
        except NutshellError as error:
            if error.kind is not ErrorClass.PERMANENT:
                return replace(written, error=_final(error), warnings=warnings)
            warnings.append(Warned(NOTE, error.text))
        except CrmError as error:
            return replace(written, error=error, warnings=warnings)
        return replace(written, warnings=warnings)

    async def _droppable(self, error: NutshellError, values: Values) -> list[Warned]:
        """Custom fields that Nutshell does not have, or does not let us write. A renamed one is found by its absence.

        A 500 is asked about as well: Nutshell answers so to some bodies that it cannot read (contract, 10).
        """
        error.field = PATHS.get(error.field or "", error.field)
        if not values.custom or (error.kind is not ErrorClass.PERMANENT and error.status != 500):
            return []
        if error.field in values.custom and error.unwritable:
            return [Warned(error.field, error.text)]
        try:
            known = {field.key for field in await self.fields(Kind.PERSON)}
        except CrmError:
            return []
        text = "Nutshell has no custom field of this name; it may have been renamed."
        return [Warned(name, text) for name in values.custom if name not in known]

    def _create_call(self, values: Values, account_id: str | None, *, note: str = "") -> Call:
        body = {"contacts": [new_contact(values, account_id=account_id)]}
        return self._access.call("POST", "/contacts", body, note=note)


def _lookups(values: Values) -> list[Query]:
    """An address is looked for exactly; for a number there is only the fuzzy search, whose finds are compared."""
    if values.email:
        return [[("email", values.email), *first_page(100)]]
    return [[("q", values.phone), *first_page(100)]] if values.phone else []


def _fitting(contacts: Sequence[Record], values: Values) -> Record | None:
    """A number that several have is nobody's, so that none is overwritten by guess."""
    if email := values.email:
        return next(iter(of_address(contacts, email)), None)
    wanted = values.phone or ""
    alive = [contact for contact in contacts if not contact.get("deletedTime")]
    same = [contact for contact in alive if any(same_number(wanted, number) for number in numbers_of(contact))]
    return same[0] if len({contact["id"] for contact in same}) == 1 else None


def of_address(contacts: Sequence[Record], email: str) -> list[Record]:
    """The oldest first."""
    alike = [each for each in contacts if not each.get("deletedTime") and email.lower() in emails_of(each)]
    return sorted(alike, key=lambda contact: order_of(contact["id"]))


def first_page(limit: int) -> list[tuple[str, str]]:
    return [("page[page]", "0"), ("page[limit]", str(limit))]


def _addresses(user: Record) -> list[str]:
    emails = user.get("emails")
    return [str(email).lower() for email in emails] if isinstance(emails, list) else []


def _url(record: Record) -> str | None:
    url = record.get("htmlUrl")
    return url if isinstance(url, str) and url.startswith("https://") else None


def _final(error: NutshellError) -> CrmError:
    """After our own second look: a conflict stays for good. Of what is not found Nutshell does not say whether it is
    the contact or its owner: delivery tries it without one, and then anew."""
    if error.kind is ErrorClass.CONFLICT:
        error.kind = ErrorClass.PERMANENT
    return error
