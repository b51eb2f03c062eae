"""Salesforce: who we are there, which fields it has, and people into leads or contacts (crm/salesforce.md 3 to 6)."""

from collections.abc import Mapping, Sequence

from site2crm.connectors.contract import (
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
    Written,
)
from site2crm.connectors.salesforce import soql
from site2crm.connectors.salesforce.answers import SalesforceError
from site2crm.connectors.salesforce.client import DATA, USER_INFO, Client, Row, dictionary
from site2crm.connectors.salesforce.login import host_of
from site2crm.connectors.salesforce.people import People
from site2crm.connectors.salesforce.properties import COMPANY_FIELD, CONTACT, LEAD, NOTE_FIELD, field_defs
from site2crm.connectors.salesforce.saving import MOST

CAPS = Caps(
    oauth=True,
    batch=MOST,
    hooks="manual",
    deals=True,
    add_deals=True,
    activities=frozenset({Act.CALL, Act.EMAIL, Act.MEETING}),
)
_NEEDED = {LEAD: ("Email", "LastName", "Company"), CONTACT: ("Email", "LastName")}


class Salesforce:
    """One org, through one user of it."""

    caps = CAPS

    def __init__(self, context: Context) -> None:
        host_of(context.settings)
        self._target = target_of(context.settings)
        self._client = Client(context)
        self._people = People(context, self._target)

    async def verify(self) -> Account:
        """Who we are there, and whether we may do what we need."""
        user = dictionary(await self._client.get(USER_INFO))
        await self._client.get(f"{DATA}/limits")  # proves that the API is on for this user
        await self._check_rights()
        id = str(user.get("organization_id") or "")
        grant = await self._client.grant()
        return Account(
            id=id,
            name=await self._name() or f"Salesforce org {id}",
            user_id=_text(user.get("user_id")),
            currency=await self._currency(),
            tz=_text(user.get("zoneinfo")),
            url=grant.extra.get("instance_url"),
        )

    async def fields(self, kind: Kind) -> Sequence[FieldDef]:
        """Every field that the connected user may see, and what belongs to a person but is a record of its own."""
        table = {Kind.PERSON: self._target, Kind.COMPANY: "Account", Kind.DEAL: "Opportunity"}[kind]
        found = field_defs(await self._described(table))
        if kind is not Kind.PERSON:
            return found
        return [*found, *([COMPANY_FIELD] if self._target == CONTACT else []), NOTE_FIELD]

    async def upsert_people(self, people: Sequence[PersonIn]) -> Sequence[Written]:
        """Looked up together, written together, each with its own result."""
        return await self._people.upsert(people)

    def preview(self, person: PersonIn) -> Sequence[Exchange]:
        return self._people.preview(person)

    async def _described(self, table: str) -> Row:
        return dictionary(await self._client.get(f"{DATA}/sobjects/{table}/describe"))

    async def _check_rights(self) -> None:
        """A field that the user may not see is not listed at all: that is a right, and no typing error."""
        described = await self._described(self._target)
        things = f"{self._target.lower()}s"
        if described.get("createable") is not True or described.get("updateable") is not True:
            text = f"The connected user lacks a right: to create and edit {things}."
            raise CrmError(ErrorClass.CONFIG, text, code="MISSING_RIGHT")
        seen = {item.key for item in field_defs(described) if item.writable}
        if hidden := [name for name in _NEEDED[self._target] if name not in seen]:
            text = f"The connected user lacks a right: to see and edit {', '.join(hidden)} of {things}."
            raise CrmError(ErrorClass.CONFIG, text, code="MISSING_RIGHT")

    async def _name(self) -> str | None:
        return await self._asked(soql.select(("Name",), "Organization"), "Name")

    async def _currency(self) -> str | None:
        """The corporate one; an org with a single currency has no list of them."""
        corporate = await self._asked(soql.select(("IsoCode",), "CurrencyType", "WHERE IsCorporate = true"), "IsoCode")
        single = "DefaultCurrencyIsoCode"
        return corporate or await self._asked(soql.select((single,), "Organization"), single)

    async def _asked(self, query: str, column: str) -> str | None:
        """Not everybody may see it, and nothing depends on it; but a fault is a fault."""
        try:
            rows = await self._client.page(query)
        except SalesforceError as error:
            if error.kind in (ErrorClass.CONFIG, ErrorClass.PERMANENT):
                return None
            raise
        return _text(rows.items[0].get(column)) if rows.items else None


def target_of(settings: Mapping[str, str]) -> str:
    return CONTACT if settings.get("target") == "contact" else LEAD


def _text(value: object) -> str | None:
    return str(value) if value not in (None, "") else None
