"""`/o/{org}/forms`: the list, a form's page with its snippets, the editor."""

from functools import partial
from typing import Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import feature, inputs, web
from site2crm.core.access import Who, needs
from site2crm.core.declared import books
from site2crm.core.errors import FieldError, Invalid
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest, Html
from site2crm.forms import copying, editor, queries, service, snippets
from site2crm.forms.editor import Edited
from site2crm.forms.fields import STARTER
from site2crm.forms.service import FormIn

READ, WRITE = needs("forms:read"), needs("forms:write")

Answer = Response[Any]


@get(opt=READ)
async def list_forms(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    q: FromQuery[str] = "",
    archived: FromQuery[bool] = False,
    cursor: FromQuery[str | None] = None,
) -> Html:
    found = await queries.page(session, who.org_id, archived=archived, q=q, cursor=cursor)
    return await web.page(
        request, session, "forms/index.html", title="Forms", forms=found, q=q, archived=archived, base=who.path("forms")
    )


@get("/new", opt=WRITE)
async def new_form(request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]) -> Html:
    rows = [editor.Row(field.name, field.type.value, field.label, "1" if field.required else "") for field in STARTER]
    empty = Edited("", rows, "", "", "", "", "", "")
    return await _editor(request, session, who, title="New form", edited=empty, action=who.path("forms"))


@post(opt=WRITE)
async def create_form(request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]) -> Answer:
    edited = editor.of_posted(inputs.read(await request.form()))
    try:
        patch = editor.to_patch(edited)
        form = await service.create(session, who.org_id, _as_new(patch))
    except Invalid as refused:
        await session.rollback()
        return await _editor(
            request, session, who, title="New form", edited=edited, action=who.path("forms"), errors=refused.errors
        )
    return web.redirect(f"{who.path('forms')}/{form.id}", flash="The form is ready: put it on a page.")


@get("/{form_id:str}", opt=READ)
async def show_form(
    form_id: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Html:
    form = await service.get(session, who.org_id, form_id)
    assert who.org is not None
    return await web.page(
        request,
        session,
        "forms/show.html",
        title=form.name,
        form=form,
        ways=snippets.of(form, machine.url(f"/f/{form.key}")),
        panels=await feature.panels(session, who.org, "form", form.id),
        lock=await books.lock_of(session, form.id),
        toml=copying.as_toml(form),
        base=who.path("forms"),
    )


@get("/{form_id:str}/edit", opt=WRITE)
async def edit_form(
    form_id: FromPath[str], request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Html:
    form = await service.get(session, who.org_id, form_id)
    action = f"{who.path('forms')}/{form.id}/edit"
    return await _editor(
        request,
        session,
        who,
        title=f"Edit {form.name}",
        edited=editor.of_form(form),
        action=action,
        form_id=form.id,
        seen=form.updated_at.isoformat(),
    )


@post("/{form_id:str}/edit", opt=WRITE)
async def save_form(
    form_id: FromPath[str], request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    """What somebody else has saved since the page was opened is not undone unasked: saving once more does."""
    fields = inputs.read(await request.form())
    edited, now = editor.of_posted(fields), (await service.get(session, who.org_id, form_id)).updated_at.isoformat()
    seen, action = fields.get("seen", now), f"{who.path('forms')}/{form_id}/edit"
    again = partial(_editor, request, session, who, title="Edit form", edited=edited, action=action, form_id=form_id)
    if seen != now:
        return await again(seen=now, is_overtaken=True)
    try:
        await service.change(session, who.org_id, form_id, patch=editor.to_patch(edited))
    except Invalid as refused:
        await session.rollback()
        return await again(errors=refused.errors, seen=seen)
    return web.redirect(f"{who.path('forms')}/{form_id}", flash="Saved.")


@post("/{form_id:str}/archive", opt=WRITE)
async def archive_form(
    form_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    form = await service.archive(session, who.org_id, form_id)
    return web.redirect(who.path("forms"), flash=f"“{form.name}” is archived. Its leads stay.")


@post("/{form_id:str}/restore", opt=WRITE)
async def restore_form(
    form_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    form = await service.restore(session, who.org_id, form_id)
    return web.redirect(f"{who.path('forms')}/{form.id}", flash=f"“{form.name}” takes submissions again.")


async def _editor(
    request: AnyRequest,
    session: AsyncSession,
    who: Who,
    *,
    title: str,
    edited: Edited,
    action: str,
    errors: tuple[FieldError, ...] = (),
    form_id: str = "",
    seen: str = "",
    is_overtaken: bool = False,
) -> Html:
    return await web.page(
        request,
        session,
        "forms/edit.html",
        title=title,
        status=422 if errors else 409 if is_overtaken else 200,
        edited=edited,
        seen=seen,
        is_overtaken=is_overtaken,
        action=action,
        errors=errors,
        types=editor.TYPE_LABELS,
        lock=await books.lock_of(session, form_id),
        back=f"{who.path('forms')}/{form_id}" if form_id else who.path("forms"),
        base=who.path("forms"),
    )


def _as_new(patch: service.FormPatch) -> FormIn:
    values = {name: getattr(patch, name) for name in FormIn.__struct_fields__}
    return FormIn(**values)


router = Router(
    path="/o/{org:str}/forms",
    route_handlers=[list_forms, new_form, create_form, show_form, edit_form, save_form, archive_form, restore_form],
    include_in_schema=False,
)
