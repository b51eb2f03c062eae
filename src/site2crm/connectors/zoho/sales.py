"""Salespeople's side of Zoho: owners, pipelines, deals and activities (crm/zoho.md 5 to 7)."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from site2crm.connectors.contract import Act, Context, CrmError, ErrorClass, Exchange, Warned, Written
from site2crm.connectors.sales import Activity, Deal, DealIn, Directory, Known, Owner, Page, Pipeline, Stage
from site2crm.connectors.turning import Turning
from site2crm.connectors.zoho import records
from site2crm.connectors.zoho.answers import Item, ZohoError
from site2crm.connectors.zoho.client import Client, link_of, rows_of
from site2crm.connectors.zoho.connector import options_of
from site2crm.connectors.zoho.dealing import Dealing
from site2crm.connectors.zoho.properties import CONTACTS, LEADS
from site2crm.connectors.zoho.reading import read_part
from site2crm.connectors.zoho.records import ACTIVITIES, Stages

_DEAL_COLUMNS = ("Deal_Name", "Amount", "Stage", "Owner", "Closing_Date", "Created_Time", "Modified_Time",
                 "Contact_Name")  # fmt: skip
_DEAL_OPTIONAL = ("Pipeline", "Currency")
"""Not in every edition: pipelines and several currencies are switched on."""
_USERS = 200


class ZohoSales:
    """One organisation."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = Client(context)
        self._module = options_of(context).module
        self._pipelines: Sequence[Pipeline] | None = None
        self._home: str | None = None

    async def directory(self) -> Directory:
        return Directory(owners=await self._owners(), pipelines=await self._all_pipelines())

    async def add_deal(self, deal: DealIn, person_id: str) -> Written:
        warnings: Sequence[Warned] = ()
        try:
            dealing = Dealing(self._client, home=await self._currency())
            warnings = dealing.warnings
            id, created = await dealing.add(deal, person_id, await self._all_pipelines())
        except CrmError as error:
            return Written(deal.ref, error=error, warnings=warnings)
        return Written(deal.ref, id, created, self._url(id), warnings=warnings)

    def preview_deal(self, deal: DealIn, person_id: str) -> Sequence[Exchange]:
        account = self._context.account
        dealing = Dealing(self._client, home=account.currency if account else None)
        return dealing.preview(deal, person_id, module=self._module)

    async def deals(self, since: datetime | None, cursor: str | None) -> Page[Deal]:
        part = await read_part(
            self._client, "Deals", _DEAL_COLUMNS, optional=_DEAL_OPTIONAL, since=since, cursor=cursor
        )
        stages = Stages(await self._all_pipelines()) if part.rows else Stages(())
        leads = await self._leads_of(part.rows)
        currency = await self._currency() if part.rows else None
        tz = self._context.account.tz if self._context.account else None
        found = [
            records.deal(
                row,
                stages,
                currency=currency,
                tz=tz,
                leads=leads.get(str(row["id"]), ()),
                url=self._url(str(row["id"])),
            )
            for row in part.rows
        ]
        gone = [records.deleted_deal(row) for row in part.deleted]
        return Page([*found, *gone], part.cursor, part.more)

    async def activities(self, kind: Act, since: datetime | None, cursor: str | None) -> Page[Activity]:
        shape = ACTIVITIES.get(kind)
        if shape is None:
            text = "Zoho does not list e-mails of a salesperson over all records."
            raise CrmError(ErrorClass.CONFIG, text, code="NOT_SUPPORTED")
        part = await read_part(
            self._client, shape.module, shape.columns, optional=shape.optional, since=since, cursor=cursor
        )
        tz = self._context.account.tz if self._context.account else None
        found = [shape.read(row, tz) for row in part.rows]
        return Page([*found, *(records.deleted_activity(row, kind) for row in part.deleted)], part.cursor, part.more)

    async def whereabouts(self, people: Sequence[Known]) -> Mapping[str, str]:
        """A lead, converted or not, or a contact. Of two merged ones Zoho keeps one and says nothing more, not even in
        its list of what was deleted: the one that has the address is it."""
        found: dict[str, str] = {}
        left = list(dict.fromkeys(person.id for person in people))
        for module in (self._module, CONTACTS if self._module == LEADS else LEADS):
            if left:
                found |= {str(row["id"]): str(row["id"]) for row in await self._client.by_ids(module, left, "id")}
                left = [id for id in left if id not in found]
        gone = {person.id: person.email.casefold() for person in people if person.id in left and person.email}
        for module in (CONTACTS, LEADS) if self._module == LEADS else (CONTACTS,):
            if asked := list(dict.fromkeys(email for id, email in gone.items() if id not in found)):
                rows = await self._client.of_values("id, Email", module, "Email", asked)
                kept = {str(row.get("Email")).casefold(): str(row["id"]) for row in reversed(rows)}  # the oldest wins
                found |= {id: kept[email] for id, email in gone.items() if id not in found and email in kept}
        return found

    async def _currency(self) -> str | None:
        """The organisation's, which is meant where a deal names none."""
        if self._home is None:
            account = self._context.account
            org = rows_of(await self._client.get("org"), "org") if account is None else []
            self._home = account.currency if account else str(org[0].get("iso_code") or "") if org else ""
        return self._home or None

    async def _owners(self) -> list[Owner]:
        owners: list[Owner] = []
        page, more, pages = 1, True, Turning("Zoho", "users")
        while more:
            pages.to(str(page))
            body = await self._client.get(f"users?type=AllUsers&page={page}&per_page={_USERS}")
            owners += [records.owner(row) for row in rows_of(body, "users")]
            info = body.get("info")
            more, page = isinstance(info, dict) and info.get("more_records") is True, page + 1
        return owners

    async def _all_pipelines(self) -> Sequence[Pipeline]:
        """Of every layout; without pipelines the stages of the deals' own field are the only one."""
        if self._pipelines is None:
            found: dict[str, Pipeline] = {}
            for layout in rows_of(await self._client.get("settings/layouts?module=Deals"), "layouts"):
                for row in await self._pipelines_of(str(layout.get("id"))):
                    found.setdefault(str(row.get("actual_value")), records.pipeline(row))
            self._pipelines = list(found.values()) or [await self._only_pipeline()]
        return self._pipelines

    async def _pipelines_of(self, layout: str) -> list[Item]:
        try:
            return rows_of(await self._client.get(f"settings/pipeline?layout_id={layout}"), "pipeline")
        except ZohoError as error:
            if error.code in ("INVALID_DATA", "NOT_SUPPORTED", "FEATURE_NOT_SUPPORTED"):  # the edition has none
                return []
            raise

    async def _only_pipeline(self) -> Pipeline:
        fields = {str(item.get("api_name")): item for item in await self._client.fields("Deals")}
        values = fields.get("Stage", {}).get("pick_list_values")
        stages = [
            Stage(str(one.get("actual_value")), str(one.get("display_value")), number, records.status_of(one))
            for number, one in enumerate(values if isinstance(values, list) else ())
            if isinstance(one, dict)
        ]
        return Pipeline("", "Deals", stages)

    async def _leads_of(self, deals: Sequence[Item]) -> dict[str, list[str]]:
        """Deal -> the leads whose conversion made it or its contact: those are whom we know."""
        found: dict[str, list[str]] = {}
        contacts: dict[str, list[str]] = {}
        for deal in deals if self._module == LEADS else ():
            if contact := link_of(deal, "Contact_Name"):
                contacts.setdefault(contact, []).append(str(deal["id"]))
        columns = "id, Converted_Contact"
        try:
            leads = await self._client.of_values(columns, LEADS, "Converted_Contact", list(contacts))
        except ZohoError as error:
            if error.column is None:
                raise
            return {}  # not every account tells; the next lead of the person leads us to the contact
        for lead in leads:
            for deal_id in contacts.get(link_of(lead, "Converted_Contact") or "", ()):
                found.setdefault(deal_id, []).append(str(lead["id"]))
        return found

    def _url(self, id: str) -> str | None:
        account = self._context.account
        return f"{account.url}/Potentials/{id}" if account and account.url else None
