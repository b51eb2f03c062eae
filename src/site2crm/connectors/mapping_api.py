"""`/api/v1/connections/{id}/fields`, `/preview` and `/dry-run`: what can be mapped, and what would be sent."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import dealing, dry_run, mapping, owners, ruling, sending, service
from site2crm.connectors.contract import FieldDef
from site2crm.connectors.dealing import DealRule
from site2crm.connectors.entering import kind_named
from site2crm.connectors.examples import standing_in
from site2crm.connectors.mapping import Problem
from site2crm.connectors.models import Connection
from site2crm.connectors.owners import OwnerRule
from site2crm.connectors.ruling import MappingIn
from site2crm.connectors.sending import Preview, Rules
from site2crm.connectors.sources import LeadValues
from site2crm.core.access import Who, needs
from site2crm.core.machine import Machine

READ = needs("connections:read")


class OwnerOut(Struct, frozen=True):
    id: str
    name: str
    email: str | None
    active: bool


class StageOut(Struct, frozen=True):
    """`status`: what a deal in it is, null where the stage does not decide."""

    id: str
    label: str
    order: int
    status: str | None


class PipelineOut(Struct, frozen=True):
    id: str
    label: str
    stages: list[StageOut]


class FieldsOut(Struct, frozen=True):
    """`error`: why owners and pipelines could not be read, in the CRM's words."""

    data: list[FieldDef]
    owners: list[OwnerOut]
    pipelines: list[PipelineOut]
    error: str
    fields_at: datetime | None


class PreviewIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """Without `mapping`, `owner` and `deal` the saved ones, without `lead` the newest lead (or a made-up one, if there
    is none). `form`: as if the lead came by it."""

    mapping: MappingIn | None = None
    owner: OwnerRule | None = None
    deal: DealRule | None = None
    form: Annotated[str, Meta(max_length=60)] | None = None
    lead: Annotated[str, Meta(max_length=60)] | None = None


class RequestOut(Struct, frozen=True):
    method: str
    url: str
    headers: Mapping[str, str]
    body: str
    note: str


class PreviewOut(Struct, frozen=True):
    lead: str
    requests: list[RequestOut]
    problems: list[Problem]
    error: str


class DryRunIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """One lead, or the newest ones."""

    lead: Annotated[str, Meta(max_length=60)] | None = None
    last: Annotated[int, Meta(ge=1, le=dry_run.MOST)] = dry_run.LAST


class DryRunOut(Struct, frozen=True):
    data: list[PreviewOut]


@get("/{connection_id:str}/fields", opt=READ)
async def list_fields(
    connection_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> FieldsOut:
    """The CRM's properties, owners and pipelines as last discovered; `POST .../test` discovers anew."""
    connection = await service.get(session, who.org_id, connection_id)
    known = owners.directory_of(connection.directory)
    pipelines = [
        PipelineOut(each.id, each.label, [StageOut(*stage) for stage in each.stages]) for each in known.pipelines
    ]
    return FieldsOut(
        data=sending.field_defs(connection),
        owners=[OwnerOut(*owner) for owner in known.owners],
        pipelines=pipelines,
        error=connection.directory_error,
        fields_at=connection.fields_at,
    )


@post("/{connection_id:str}/preview", opt=READ, status_code=200)
async def preview_connection(
    connection_id: FromPath[str],
    data: JSONBody[PreviewIn],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> PreviewOut:
    """The exact requests for a lead, secrets masked, as if the person was new there. Nothing is sent or saved.

    Needs `leads:read` too.
    """
    who.require("leads:read")
    connection = await service.get(session, who.org_id, connection_id)
    lead = await standing_in(session, who.org_id, lead_id=data.lead)
    form_id = lead.form_id if data.form is None else data.form
    return _previewed(lead, service.preview(machine, connection, lead, rules=_rules(connection, data, form_id)))


@post("/{connection_id:str}/dry-run", opt=READ, status_code=200)
async def rehearse_connection(
    connection_id: FromPath[str],
    data: JSONBody[DryRunIn],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> DryRunOut:
    """What the saved mapping makes of leads that came, as if they were new there. Nothing is sent or saved.

    Needs `leads:read` too: the requests hold what people have entered.
    """
    who.require("leads:read")
    connection = await service.get(session, who.org_id, connection_id)
    found = await dry_run.run(session, machine, connection, last=data.last, lead_id=data.lead)
    return DryRunOut([_previewed(each.lead, each.shown) for each in found])


def _rules(connection: Connection, data: PreviewIn, form_id: str) -> Rules:
    """What is given, and what is saved. Raises Invalid."""
    kind, known = kind_named(connection.kind), owners.directory_of(connection.directory)
    own = mapping.stored(connection.form_mappings.get(form_id, []))
    base = mapping.stored(connection.mapping) if data.mapping is None else mapping.rows_of(data.mapping)
    owner = connection.owner_rule if data.owner is None else ruling.owner(kind, data.owner, known)
    deal = connection.deal_rule if data.deal is None else ruling.deal(kind, data.deal, known)
    return Rules(rows=mapping.merged(base, own), owner=owners.stored(owner), deal=dealing.stored(deal))


def _previewed(lead: LeadValues, shown: Preview) -> PreviewOut:
    requests = [
        RequestOut(each.method, each.url, each.request_headers, each.request_body, each.note) for each in shown.requests
    ]
    return PreviewOut(lead.lead_id, requests, shown.problems, shown.error)


router = Router(
    path="/api/v1/connections",
    route_handlers=[list_fields, preview_connection, rehearse_connection],
    tags=["Connections"],
)
