"""`/api/v1/forms`."""

from datetime import datetime

import msgspec
from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core.access import Who, needs
from site2crm.core.machine import Machine
from site2crm.core.paging import Page
from site2crm.forms import queries, service
from site2crm.forms.fields import Field
from site2crm.forms.models import Form
from site2crm.forms.service import FormIn, FormPatch

READ, WRITE = needs("forms:read"), needs("forms:write")


class FormOut(Struct, frozen=True):
    id: str
    key: str
    name: str
    fields: list[Field]
    allowed_origins: list[str]
    redirect_url: str
    thanks_text: str
    submit_label: str
    field_map: dict[str, str]
    country: str
    submit_url: str
    hosted_url: str
    embed_url: str
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class FormListItem(Struct, frozen=True):
    id: str
    key: str
    name: str
    submit_url: str
    created_at: datetime
    archived: bool


@get(opt=READ)
async def list_forms(
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
    archived: FromQuery[bool] = False,
    q: FromQuery[str] = "",
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> Page[FormListItem]:
    """Forms of the org, newest first."""
    found = await queries.page(session, who.org_id, archived=archived, q=q, limit=limit, cursor=cursor)
    rows = [
        FormListItem(row.id, row.key, row.name, machine.url(f"/f/{row.key}"), row.created_at, row.archived)
        for row in found.data
    ]
    return Page(data=rows, page=found.page)


@post(opt=WRITE)
async def create_form(
    data: JSONBody[FormIn],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> FormOut:
    """Make a form. Without `fields` it has name, e-mail, phone, company and message."""
    return _out(await service.create(session, who.org_id, data), machine)


@get("/{form_id:str}", opt=READ)
async def show_form(
    form_id: FromPath[str],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> FormOut:
    return _out(await service.get(session, who.org_id, form_id), machine)


@patch("/{form_id:str}", opt=WRITE)
async def change_form(
    form_id: FromPath[str],
    data: JSONBody[FormPatch],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> FormOut:
    """Merge patch: what is absent stays, null clears."""
    return _out(await service.change(session, who.org_id, form_id, patch=data), machine)


@delete("/{form_id:str}", opt=WRITE, status_code=200)
async def archive_form(
    form_id: FromPath[str],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> FormOut:
    """Archive it: no more submissions; its leads stay. `POST .../restore` brings it back."""
    return _out(await service.archive(session, who.org_id, form_id), machine)


@post("/{form_id:str}/restore", opt=WRITE, status_code=200)
async def restore_form(
    form_id: FromPath[str],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> FormOut:
    return _out(await service.restore(session, who.org_id, form_id), machine)


def _out(form: Form, machine: Machine) -> FormOut:
    submit_url = machine.url(f"/f/{form.key}")
    return FormOut(
        id=form.id,
        key=form.key,
        name=form.name,
        fields=msgspec.convert(form.fields, list[Field]),
        allowed_origins=form.allowed_origins,
        redirect_url=form.redirect_url,
        thanks_text=form.thanks_text,
        submit_label=form.submit_label,
        field_map=form.field_map,
        country=form.country,
        submit_url=submit_url,
        hosted_url=submit_url,
        embed_url=f"{submit_url}/embed.js",
        created_at=form.created_at,
        updated_at=form.updated_at,
        archived_at=form.archived_at,
    )


router = Router(
    path="/api/v1/forms",
    route_handlers=[list_forms, create_form, show_form, change_form, archive_form, restore_form],
    tags=["Forms"],
)
