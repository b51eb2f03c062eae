"""Pipedrive: verify, discover fields, write persons with their organisation and a note (crm/pipedrive.md 4 and 5).

There is no upsert and no unique e-mail: a person is looked for by search and, because search learns of new ones a
little late, among the newest; one lead with an e-mail at a time, for two at once would both find nobody.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from weakref import WeakValueDictionary

from site2crm.connectors.contract import (
    EMPTY,
    Account,
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
from site2crm.connectors.pipedrive import notes, people
from site2crm.connectors.pipedrive.answers import GONE, PipedriveError
from site2crm.connectors.pipedrive.capabilities import CAPS
from site2crm.connectors.pipedrive.client import Ask, Client, address_of, hits_of, id_of
from site2crm.connectors.pipedrive.people import Body, Record
from site2crm.connectors.pipedrive.properties import Said, field_defs, read_person
from site2crm.connectors.singly import one_by_one
from site2crm.kit.text import fold

RIGHT = "contacts:full"
_SALES_RIGHTS = ("deals:full", "activities:read", "users:read")
_NEWEST = {"sort_by": "id", "sort_direction": "desc", "limit": "100"}
"""Search learns of a new record within seconds; so many more are not made meanwhile."""
_FIELDS = {Kind.PERSON: "personFields", Kind.COMPANY: "organizationFields", Kind.DEAL: "dealFields"}
_MENDED_AT_MOST = 5
_turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()


class Pipedrive:
    """One company's account, as one of its users sees it."""

    caps: Caps = CAPS

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = Client(context)

    async def verify(self) -> Account:
        """Who we are there, and whether a sign-in may do what we need."""
        told = await self._client.record(Ask("GET", "users/me"))
        scopes: frozenset[str] = frozenset()
        if (grants := self._context.grants) is not None:
            scopes = (await grants.current()).scopes
            if scopes and RIGHT not in scopes:
                text = f"The sign-in lacks the right {RIGHT}."
                raise CrmError(ErrorClass.CONFIG, text, code="MISSING_SCOPES")
        company = _text(told.get("company_domain"))
        url = address_of(company) if company else None
        if self._client.company and url and url != self._client.company:
            text = f"The token belongs to {url.removeprefix('https://')}, not to the company that was entered."
            raise CrmError(ErrorClass.CONFIG, text, code="OTHER_COMPANY", field="company")
        return Account(
            id=str(told.get("company_id") or company or ""),
            name=_text(told.get("company_name")) or company or "Pipedrive",
            user_id=id_of(told),
            currency=_text(told.get("default_currency")),
            tz=_text(told.get("timezone_name")),
            url=url,
            lacks=_lacking(scopes),
        )

    async def fields(self, kind: Kind) -> Sequence[FieldDef]:
        """Those that a form can fill: a few standard ones, ours for organisation and note, all custom ones."""
        return field_defs(kind, await self._client.all(_FIELDS[kind]))

    async def upsert_people(self, people: Sequence[PersonIn]) -> Sequence[Written]:
        """One after the other; a dead token or a reached limit is not tried again for the rest."""
        return await one_by_one(people, self._upsert)

    def preview(self, person: PersonIn) -> Sequence[Exchange]:
        """What `upsert_people` sends for somebody who is new, or known by their id, if nothing is refused."""
        said = read_person(person, currency=self._client.currency)
        if person.known_id:
            asks = [Ask("GET", f"persons/{person.known_id}"), *self._previewed_change(person.known_id, said)]
        else:
            asks = [*_person_looks(said), *_organization_asks(said, note="only if the person is new")]
            org = "the organization's id" if said.company else None
            asks.append(Ask("POST", "persons", people.created(said, org), note="only if nobody was found"))
        if said.message:
            if (person.known_id or "").isdecimal():
                asks.append(notes.list_ask({"person_id": int(person.known_id or 0)}))
            asks.append(_note_ask(person, said, person.known_id or "the person's id"))
        return [self._client.shown(ask) for ask in asks]

    async def _upsert(self, person: PersonIn) -> Written:
        said = read_person(person, currency=self._client.currency)
        if said.is_empty:
            error = CrmError(ErrorClass.PERMANENT, "Nothing of this lead is mapped to Pipedrive.", code=EMPTY)
            return Written(person.ref, error=error, warnings=said.warnings)
        key = said.email.lower() or said.number or person.ref
        try:
            async with self._turn(key):
                id, is_new = await self._place(person, said)
                await self._note(person, said, id, is_new=is_new)
        except CrmError as error:
            return Written(person.ref, error=_final(error, said), warnings=said.warnings)
        return Written(person.ref, id, is_new, self._client.record_url("person", id), warnings=said.warnings)

    async def _place(self, person: PersonIn, said: Said) -> tuple[str, bool]:
        """The person's id and whether it is new: known id, then e-mail or phone, then create."""
        known = await self._alive(person.known_id) if person.known_id else None
        known = known or await self._found(said)
        if known is not None:
            return await self._update(known, said), False
        org = await self._organization(said)
        return await self._save("POST", "persons", said, lambda: people.created(said, org)), True

    async def _update(self, known: Record, said: Said) -> str:
        """An organisation that somebody there has chosen stays: a form's spelling moves nobody."""
        id = id_of(known) or ""
        org = None if known.get("org_id") else await self._organization(said)
        if not people.changed(said, known, org):
            return id
        return await self._save("PATCH", f"persons/{id}", said, lambda: people.changed(said, known, org)) or id

    async def _alive(self, id: str) -> Record | None:
        """A person by id; None for one that was deleted or merged into another."""
        if not id.isdecimal():
            return None
        try:
            found = await self._client.record(Ask("GET", f"persons/{id}"))
        except PipedriveError as error:
            if error.kind is ErrorClass.NOT_FOUND:
                return None
            raise
        return None if found.get("is_deleted") is True else found

    async def _found(self, said: Said) -> Record | None:
        looks = _person_looks(said)
        if not looks:
            return None
        search, newest = looks
        hits = hits_of(await self._client.ask(search))
        alike = sum(said.email.lower() in people.emails_of(hit) for hit in hits) if said.email else 0
        if alike > 1:
            said.warnings.append(several(alike, "persons"))
        id = people.the_same(hits, said)
        if id and (found := await self._alive(id)) is not None:
            return found
        listed = await self._client.records(newest)
        id = people.the_same(listed, said)
        return next((person for person in listed if id and id_of(person) == id), None)

    async def _organization(self, said: Said) -> int | None:
        """The id of the one with this name, made if there is none."""
        asks = _organization_asks(said)
        if not asks:
            return None
        search, newest, create = asks
        try:
            async with self._turn(f"organization {fold(said.company)}"):
                hits = hits_of(await self._client.ask(search))
                known = _named(hits, said.company) or _named(await self._client.records(newest), said.company)
                return known or int(id_of(await self._client.record(create)) or 0)
        except PipedriveError as error:
            if error.kind is not ErrorClass.PERMANENT:
                raise
            said.warnings.append(Warned("company", error.text))
            return None

    async def _save(self, method: str, about: str, said: Said, body: Callable[[], Body]) -> str:
        """Write it; what Pipedrive does not know or does not let us write is left out, and the rest tried again."""
        for _ in range(_MENDED_AT_MOST):
            if not (sent := body()):
                return ""
            try:
                saved = await self._client.record(Ask(method, about, sent))
            except PipedriveError as error:
                if not await self._mended(error, said):
                    raise
            else:
                _warn_of_ignored(said, saved)
                return id_of(saved) or ""
        raise PipedriveError(ErrorClass.PERMANENT, "Pipedrive refused one property after the other.")

    async def _mended(self, error: PipedriveError, said: Said) -> bool:
        """Whether something could be left out. An error that names no property may be about one that is gone."""
        if error.kind is not ErrorClass.PERMANENT:
            return False
        dropped = [said.drop(problem.name, problem.told) for problem in error.problems if problem.unwritable]
        if any(dropped):
            return True
        if not said.custom or any(problem.name in said.custom for problem in error.problems):
            return False
        there = {str(item.get("field_code")) for item in await self._client.all(_FIELDS[Kind.PERSON])}
        gone = [said.drop(code, GONE) for code in [*said.custom] if code not in there]
        return any(gone)

    async def _note(self, person: PersonIn, said: Said, id: str, *, is_new: bool) -> None:
        """What was written in the form: one note for a submission, however often it is sent."""
        if not said.message:
            return
        try:
            about = {"person_id": int(id)}
            if not is_new and any(_mark(person) in text for text in await notes.marks(self._client, about)):
                return
            await self._client.record(_note_ask(person, said, id))
        except PipedriveError as error:
            if error.kind is not ErrorClass.PERMANENT:
                raise
            said.warnings.append(Warned("message", error.text))

    def _previewed_change(self, id: str, said: Said) -> list[Ask]:
        org = "the organization's id" if said.company else None
        body = people.changed(said, {}, org)
        asks = list(_organization_asks(said, note="only if the person has no organization"))
        return [*asks, Ask("PATCH", f"persons/{id}", body, note="only what differs from the person")]

    def _turn(self, key: str) -> asyncio.Lock:
        place = (self._context.connection_id, key)
        turn = _turns.get(place)
        if turn is None:
            turn = _turns[place] = asyncio.Lock()
        return turn


def _lacking(scopes: Collection[str]) -> tuple[str, ...]:
    """Of a sign-in that names its rights; a larger one holds the smaller."""
    held = {*scopes, *(scope.replace(":full", ":read") for scope in scopes)}
    return tuple(right for right in _SALES_RIGHTS if scopes and right not in held)


def _person_looks(said: Said) -> Sequence[Ask]:
    if not said.email and not said.number:
        return ()
    field, term = ("email", said.email) if said.email else ("phone", said.number)
    query = {"term": term, "fields": field, "exact_match": "true", "limit": "10"}
    note = "search learns of new people a little late"
    return Ask("GET", "persons/search", query=query), Ask("GET", "persons", query=_NEWEST, note=note)


def _organization_asks(said: Said, *, note: str = "") -> Sequence[Ask]:
    if not said.company:
        return ()
    query = {"term": said.company, "fields": "name", "exact_match": "true", "limit": "10"}
    return (
        Ask("GET", "organizations/search", query=query, note=note),
        Ask("GET", "organizations", query=_NEWEST, note=note),
        Ask("POST", "organizations", {"name": said.company}, note="only if there is none of this name"),
    )


def _note_ask(person: PersonIn, said: Said, id: str) -> Ask:
    about = {"person_id": int(id) if id.isdecimal() else id}
    return notes.write_ask(about, said.message, mark=_mark(person), at=person.at)


def _mark(person: PersonIn) -> str:
    return notes.mark_of(person.submission or person.lead or person.ref)


def _named(found: Sequence[Record], name: str) -> int | None:
    ids = [int(id) for each in found if fold(str(each.get("name"))) == fold(name) and (id := id_of(each))]
    return min(ids, default=None)


def _warn_of_ignored(said: Said, saved: Record) -> None:
    """An answer shows every custom field: one that is not there was not kept."""
    there = saved.get("custom_fields")
    if isinstance(there, dict) and there:
        for code in [code for code in said.custom if code not in there]:
            said.drop(code, "Pipedrive did not keep it.")


def _final(error: CrmError, said: Said) -> CrmError:
    """Named as it was mapped. A person who was deleted while we wrote is looked for anew."""
    if error.kind is ErrorClass.NOT_FOUND:
        error.kind = ErrorClass.RETRY
    names = {"emails": "email", "phones": "phone", "org_id": "company", **said.keys}
    if error.field is not None:
        error.field = names.get(error.field, error.field)
    return error


def _text(value: object) -> str | None:
    return str(value) if value not in (None, "") else None
