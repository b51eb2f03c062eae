"""Zoho CRM: verify, discover fields, put people into Leads or Contacts in batches of 100 (crm/zoho.md 3, 4, 6)."""

from collections.abc import Sequence
from datetime import timedelta

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
from site2crm.connectors.zoho import centres
from site2crm.connectors.zoho.auth import RIGHTS
from site2crm.connectors.zoho.client import BATCH, Client, by_ids_path, looking_for, rows_of
from site2crm.connectors.zoho.placing import LOCATED, Placing
from site2crm.connectors.zoho.properties import CONTACTS, LEADS, email_of, field_def, phone_of, pseudo_fields
from site2crm.connectors.zoho.work import Options, Work, begun, note_of, title_of, written_of

CAPS = Caps(
    oauth=True,
    batch=BATCH,
    hooks="api",
    hook_max_age=timedelta(days=7),
    deals=True,
    add_deals=True,
    activities=frozenset({Act.CALL, Act.MEETING, Act.TASK}),  # e-mails: only record by record (crm/zoho.md 7.4)
)
_MODULES = {Kind.COMPANY: "Accounts", Kind.DEAL: "Deals"}


class Zoho:
    """One organisation behind somebody's sign-in."""

    caps = CAPS

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = Client(context)
        self._options = options_of(context)

    async def verify(self) -> Account:
        """Who we are there, and whether the sign-in gave what we need."""
        grant = await self._client.grant()
        missing = [right for right in RIGHTS if right not in grant.scopes] if grant.scopes else []
        if missing:
            text = f"The access lacks the right {', '.join(missing)}."
            raise CrmError(ErrorClass.CONFIG, text, code="OAUTH_SCOPE_MISMATCH")
        user = _only(rows_of(await self._client.get("users?type=CurrentUser"), "users"))
        org = _only(rows_of(await self._client.get("org"), "org"))
        grant = await self._client.grant()
        centre = centres.of_api(grant.extra.get("api_domain", "")) or self._client.place
        domain = str(org.get("domain_name") or "")
        return Account(
            id=str(org.get("id") or ""),
            name=str(org.get("company_name") or "Zoho CRM"),
            user_id=_text(user.get("id")),
            currency=_text(org.get("iso_code")),
            tz=_text(org.get("time_zone")),
            url=f"https://{centre.web}/crm/{f'{domain}/' if _is_org(domain) else ''}tab",
        )

    async def fields(self, kind: Kind) -> Sequence[FieldDef]:
        """Every field that Zoho shows, custom ones too, and what we make of a person beside them."""
        module = _MODULES.get(kind, self._options.module)
        found = [field_def(item) for item in await self._client.fields(module)]
        ours = pseudo_fields(module) if kind is Kind.PERSON else []
        return sorted([*filter(None, found), *ours], key=lambda field: field.label.casefold())

    async def upsert_people(self, people: Sequence[PersonIn]) -> Sequence[Written]:
        """A hundred at once; each has its own result."""
        works = await Placing(self._client, self._options).run(people)
        return [written_of(work, url=self._record_url(work)) for work in works]

    def preview(self, person: PersonIn) -> Sequence[Exchange]:
        """What `upsert_people` sends if Zoho refuses nothing."""
        work = begun(person, self._options)
        if work.error:
            return []
        calls = self._known_preview(work) if person.known_id else self._new_preview(work)
        if work.note:
            work.id = work.id or "(the record's id)"
            calls.append(self._client.shown("POST", "Notes", {"data": [note_of(work)]}))
        return calls

    def _known_preview(self, work: Work) -> list[Exchange]:
        module, work.id = self._options.module, work.person.known_id
        path = by_ids_path(module, [work.id or ""], LOCATED if module == LEADS else "Account_Name")
        calls = [self._client.shown("GET", path, note="is it still there, and still a lead?"), self._write_of(work)]
        if work.note:
            query = looking_for("id, Note_Title", "Notes", "Note_Title", [title_of(work.person)])
            calls.append(
                self._client.shown("POST", "coql", {"select_query": query}, note="was the note written before?")
            )
        return calls

    def _new_preview(self, work: Work) -> list[Exchange]:
        email, phone = email_of(work.person), phone_of(work.person)
        columns = ["Email"] if email else ["Phone", "Mobile"] if phone else []
        placing = Placing(self._client, self._options)
        calls = []
        for module in placing.searched():
            shown = ", ".join(["id", *columns, *(["Account_Name"] if module == CONTACTS else [])])
            queries = [looking_for(shown, module, column, [email or phone or ""]) for column in columns]
            calls += [self._client.shown("POST", "coql", {"select_query": query}) for query in queries]
        if work.company and work.module == CONTACTS:
            calls.append(self._client.shown(*placing.accounts([work.company]), note="if the contact has no account"))
            work.account = "(the account's id)"
        return [*calls, self._write_of(work)]

    def _write_of(self, work: Work) -> Exchange:
        request = Placing(self._client, self._options).request([work], work.module, is_known=work.id is not None)
        note = "" if work.id else "if the person is not found there; else the record that was found is updated"
        return self._client.shown(*request, note=note)

    def _record_url(self, work: Work) -> str | None:
        account = self._context.account
        return f"{account.url}/{work.module}/{work.id}" if account and account.url else None


def options_of(context: Context) -> Options:
    said = context.settings
    return Options(
        module=CONTACTS if said.get("module") == CONTACTS else LEADS,
        prefers_contacts=said.get("existing") != "lead",
        trigger=() if said.get("automation") == "off" else ("workflow",),
    )


def _only(rows: Sequence[object]) -> dict[str, object]:
    if rows and isinstance(rows[0], dict):
        return rows[0]
    raise CrmError(ErrorClass.RETRY, "Zoho did not say whose account this is.", code="not_json")


def _is_org(domain: str) -> bool:
    return domain.startswith("org") and domain[3:].isdecimal()


def _text(value: object) -> str | None:
    return str(value) if value not in (None, "") else None
