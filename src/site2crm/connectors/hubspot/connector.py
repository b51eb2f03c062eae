"""HubSpot: verify, discover properties, upsert contacts by the safe path (crm/hubspot.md 4.1).

The batch upsert is not used: with `idProperty=email` it is not partial and would empty what we do not send.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

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
)
from site2crm.connectors.hubspot.answers import HubSpotError
from site2crm.connectors.hubspot.portal import HUBSPOT_API_VERSION, Portal, id_of, objects, results, text
from site2crm.connectors.hubspot.properties import encode_all, field_def
from site2crm.connectors.singly import one_by_one
from site2crm.connectors.wire import Call

CAPS = Caps(oauth=True, static_key=True, hooks="app", deals=True, add_deals=True, activities=frozenset(Act))
RIGHTS = ("crm.objects.contacts.read", "crm.objects.contacts.write")
SALES_RIGHTS = ("crm.objects.owners.read", "crm.objects.deals.read", "crm.objects.deals.write")

_CONTACTS = objects("contacts")
_OBJECTS = {Kind.PERSON: "contacts", Kind.COMPANY: "companies", Kind.DEAL: "deals"}
_PROPERTY_LIST_BYTES = 16_000_000
_OWNER = "hubspot_owner_id"


class HubSpot:
    """One HubSpot portal."""

    caps = CAPS

    def __init__(self, context: Context) -> None:
        self._portal = Portal(context)

    async def verify(self) -> Account:
        """Who we are there, and whether the token may do what we need."""
        details = await self._portal.call("GET", f"/account-info/{HUBSPOT_API_VERSION}/details")
        lacks = await self._check_rights()
        portal = str(details.get("portalId", ""))
        return Account(
            id=portal,
            name=f"HubSpot account {portal}",
            currency=text(details.get("companyCurrency")),
            tz=text(details.get("timeZone")),
            url=f"https://{details.get('uiDomain') or 'app.hubspot.com'}/contacts/{portal}",
            lacks=lacks,
        )

    async def fields(self, kind: Kind) -> Sequence[FieldDef]:
        """Every property that HubSpot shows, custom ones too."""
        path = f"/crm/properties/{HUBSPOT_API_VERSION}/{_OBJECTS[kind]}"
        listed = results(await self._portal.call("GET", path, max_bytes=_PROPERTY_LIST_BYTES))
        found = [field_def(item) for item in listed]
        return sorted((field for field in found if field), key=lambda field: field.label.casefold())

    async def upsert_people(self, people: Sequence[PersonIn]) -> Sequence[Written]:
        """One after the other; a dead token or a reached limit is not tried again for the rest."""
        return await one_by_one(people, self._upsert)

    def preview(self, person: PersonIn) -> Sequence[Exchange]:
        """What `upsert_people` sends if HubSpot refuses nothing."""
        properties, email = _written(person), _email_of(person)
        if person.known_id:
            calls = [self._patch_call(person.known_id, properties)]
        else:
            key = "address" if email else "number"
            note = f"only if no contact has this {key} yet"
            calls = [self._patch_email_call(email, properties)] if email else []
            calls.append(self._create_call(_for_create(person, properties), note=note))
        return self._portal.shown(calls)

    async def _check_rights(self) -> tuple[str, ...]:
        """Those for deals and owners that are missing. Raises CrmError without those for leads."""
        grants = self._portal.grants
        granted = (await grants.current()).scopes if grants else await self._listed()
        if granted is None:
            await self._portal.call("GET", f"{_CONTACTS}?limit=1")
        elif missing := [right for right in RIGHTS if right not in granted]:
            text = f"The {'sign-in' if grants else 'token'} lacks the right {', '.join(missing)}."
            raise CrmError(ErrorClass.CONFIG, text, code="MISSING_SCOPES", field="token")
        return tuple(right for right in SALES_RIGHTS if granted is not None and right not in granted)

    async def _listed(self) -> frozenset[str] | None:
        """The rights of a static token; None if HubSpot does not tell."""
        path = "/oauth/v2/private-apps/get/access-token-info"
        try:
            listed = (await self._portal.call("POST", path, {"tokenKey": self._portal.token})).get("scopes")
        except CrmError:
            return None  # service keys are not known to be served there: try a read instead
        return frozenset(map(str, listed)) if isinstance(listed, list) else None

    async def _upsert(self, person: PersonIn) -> Written:
        properties = _written(person)
        warnings: list[Warned] = []
        while True:
            try:
                id, created = await self._place(person, properties)
            except HubSpotError as error:
                dropped = droppable(error, properties)
                if not dropped:
                    return Written(person.ref, error=_final(error), warnings=warnings)
                warnings += dropped
                for warned in dropped:
                    del properties[warned.property]
            except CrmError as error:
                return Written(person.ref, error=error, warnings=warnings)
            else:
                return Written(person.ref, id, created, self._portal.record_url("contacts", id), warnings=warnings)

    async def _place(self, person: PersonIn, properties: Mapping[str, str]) -> tuple[str, bool]:
        """The contact's id and whether it is new: known id, then e-mail or phone, then create."""
        email = _email_of(person)
        if not properties.keys() - {_OWNER} and not email:
            raise HubSpotError(ErrorClass.PERMANENT, "Nothing of this lead is mapped to HubSpot.", code=EMPTY)
        if person.known_id and (id := await self._update_known(person.known_id, properties, email)):
            return id, False
        if email and (id := await self._patch(self._patch_email_call(email, properties))):
            return id, False
        phone = person.phone or properties.get("phone")
        if not email and phone and (id := await self._find_by_phone(phone)):
            return _some(await self._patch(self._patch_call(id, properties))), False
        try:
            return await self._send(self._create_call(_for_create(person, properties))), True
        except HubSpotError as error:
            return await self._update_instead(error, properties, email), False

    async def _update_known(self, id: str, properties: Mapping[str, str], email: str | None) -> str | None:
        try:
            return await self._patch(self._patch_call(id, properties or {"email": email or ""}))
        except HubSpotError as error:
            return await self._update_instead(error, properties, email)

    async def _update_instead(self, error: HubSpotError, properties: Mapping[str, str], email: str | None) -> str:
        """Another contact holds the address (a race, or a merge): that one is the lead's."""
        if error.kind is not ErrorClass.CONFLICT:
            raise error
        others = {name: value for name, value in properties.items() if name != "email"}
        if error.existing_id:
            call = self._patch_call(error.existing_id, others or dict(properties))
        elif email:
            call = self._patch_email_call(email, properties)
        else:
            raise error
        return _some(await self._patch(call))

    async def _find_by_phone(self, phone: str) -> str | None:
        """The one contact with this number; several are nobody's, so that none is overwritten by guess."""
        same = {"propertyName": "phone", "operator": "EQ", "value": phone}
        body = {"filterGroups": [{"filters": [same]}], "properties": ["phone"], "limit": 2}
        found = results(await self._portal.search("contacts", body))
        return id_of(found[0]) if len(found) == 1 else None

    async def _patch(self, call: Call) -> str | None:
        """The id of the updated contact, None if there is no such contact."""
        try:
            return await self._send(call)
        except HubSpotError as error:
            if error.kind is ErrorClass.NOT_FOUND:
                return None
            raise

    async def _send(self, call: Call) -> str:
        id = id_of(await self._portal.exchange(call))
        if id is None:
            raise HubSpotError(ErrorClass.RETRY, "HubSpot answered without the contact's id.", code="not_json")
        return id

    def _patch_call(self, id: str, properties: Mapping[str, str]) -> Call:
        return self._portal.json_call("PATCH", f"{_CONTACTS}/{quote(id, safe='')}", {"properties": properties})

    def _patch_email_call(self, email: str, properties: Mapping[str, str]) -> Call:
        # The address is the key already; sent along, it would replace the primary one of a merged contact.
        others = {name: value for name, value in properties.items() if name != "email"}
        path = f"{_CONTACTS}/{quote(email, safe='')}?idProperty=email"
        return self._portal.json_call("PATCH", path, {"properties": others or {"email": email}})

    def _create_call(self, properties: Mapping[str, str], *, note: str = "") -> Call:
        return self._portal.json_call("POST", _CONTACTS, {"properties": properties})._replace(note=note)


def _email_of(person: PersonIn) -> str | None:
    mapped = person.fields.get("email")
    return person.email or (mapped if isinstance(mapped, str) and mapped else None)


def _written(person: PersonIn) -> dict[str, str]:
    """A contact that is there keeps its owner, unless the new one is to win."""
    properties = encode_all(person.fields)
    return {_OWNER: person.owner, **properties} if person.owner and person.owner_wins else properties


def _for_create(person: PersonIn, properties: Mapping[str, str]) -> dict[str, str]:
    """HubSpot creates nobody without an e-mail or a name: a caller known by number only is called by it."""
    created = {**({_OWNER: person.owner} if person.owner else {}), **properties}
    if email := _email_of(person):
        return {**created, "email": email}
    phone = person.phone or created.get("phone")
    if phone and not created.get("firstname") and not created.get("lastname"):
        created["lastname"] = phone
    return created


def droppable(error: HubSpotError, properties: Mapping[str, str]) -> list[Warned]:
    """The unknown and read-only ones. A refused value beside them shows at the next try, alone."""
    if error.kind is not ErrorClass.PERMANENT:
        return []
    said = {problem.name: problem.text for problem in error.problems if problem.unwritable}
    return [Warned(name, said[name]) for name in properties if name in said and name != "email"]


def _final(error: HubSpotError) -> CrmError:
    """After our own second try: a conflict stays for good, a contact deleted meanwhile is tried anew."""
    if error.kind is ErrorClass.CONFLICT:
        error.kind = ErrorClass.PERMANENT
    elif error.kind is ErrorClass.NOT_FOUND:
        error.kind = ErrorClass.RETRY
    return error


def _some(id: str | None) -> str:
    if id is None:
        raise HubSpotError(ErrorClass.NOT_FOUND, "The contact vanished while it was being updated.")
    return id
