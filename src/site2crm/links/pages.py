"""`/o/{org}/links`: the list, a link's page, the editor."""

from typing import Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import feature, formats, inputs, web
from site2crm.core.access import Who, needs
from site2crm.core.errors import FieldError, Invalid
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest, Html
from site2crm.links import counting, editor, export, filters, queries, service
from site2crm.links.editor import Edited
from site2crm.links.errors import SlugTaken
from site2crm.links.views import view

READ, WRITE = needs("links:read"), needs("links:write")

Answer = Response[Any]


@get("/links", opt=READ)
async def list_links(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Html:
    query, base = _query(request), who.path("links")
    wanted = filters.of_query(query, base_url=machine.settings.base_url)
    found = await queries.page(session, who.org_id, wanted, cursor=query["cursor"] or None)
    cursor = found.page.next_cursor
    is_filtered = any(query[name] for name in ("q", "tag", "campaign"))
    return await web.page(
        request,
        session,
        "links/index.html",
        title="Links",
        base=base,
        host=machine.settings.base_url.partition("://")[2],
        links=found.data,
        clicks=await counting.clicks(machine, who.org_id, found.data),
        query=query,
        sort="" if is_filtered else wanted.sort,
        chips=filters.chips(base, query),
        address=lambda **changed: filters.address(base, query, **changed),
        csv=filters.address(f"{base}.csv", query),
        older=filters.address(base, query, cursor=cursor) if cursor else "",
        is_filtered=is_filtered,
        is_empty=not found.data and not await queries.any_exists(session, who.org_id),
    )


@get("/links.csv", opt=READ)
async def export_links(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Stream:
    """The list with its filters."""
    wanted = filters.of_query(_query(request), base_url=machine.settings.base_url)
    return await export.download(session, machine, who, wanted=wanted)


@get("/links/new", opt=WRITE)
async def new_link(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Html:
    return await _editor(request, session, who, machine, title="New link", edited=Edited(), link_id="")


@post("/links", opt=WRITE)
async def create_link(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Answer:
    edited = editor.of_posted(inputs.read(await request.form()))
    try:
        data = editor.to_new(edited)
        link = await service.create(session, who.org_id, data, base_url=machine.settings.base_url, actor=who.actor)
    except (Invalid, SlugTaken) as refused:
        await session.rollback()
        return await _editor(
            request, session, who, machine, title="New link", edited=edited, link_id="", errors=refused.errors
        )
    return web.redirect(f"{who.path('links')}/{link.id}", flash="The link is live.")


@post("/links/archive", opt=WRITE)
async def archive_links(
    request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    links = await service.archive(session, who.org_id, await _chosen(request))
    return web.redirect(who.path("links"), flash=f"Archived: {formats.plural(len(links), 'link')}.")


@post("/links/restore", opt=WRITE)
async def restore_links(
    request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    links = await service.restore(session, who.org_id, await _chosen(request))
    return web.redirect(who.path("links"), flash=f"Live again: {formats.plural(len(links), 'link')}.")


@get("/links/{link_id:str}", opt=READ)
async def show_link(
    link_id: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Html:
    link = await queries.link(session, who.org_id, link_id)
    assert who.org is not None
    return await web.page(
        request,
        session,
        "links/show.html",
        title=link.name,
        link=view(link, machine.settings.base_url),
        carry=dict(editor.CARRY_LABELS)[link.carry_click],
        panels=await feature.panels(session, who.org, "link", link.id),
        base=who.path("links"),
    )


@get("/links/{link_id:str}/edit", opt=WRITE)
async def edit_link(
    link_id: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Html:
    link = await service.get(session, who.org_id, link_id)
    title = f"Edit {link.title or '/' + link.slug}"
    return await _editor(request, session, who, machine, title=title, edited=editor.of_link(link), link_id=link.id)


@post("/links/{link_id:str}/edit", opt=WRITE)
async def save_link(
    link_id: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Answer:
    edited = editor.of_posted(inputs.read(await request.form()))
    try:
        patch = editor.to_patch(edited)
        await service.change(session, who.org_id, link_id, patch=patch, base_url=machine.settings.base_url)
    except (Invalid, SlugTaken) as refused:
        await session.rollback()
        await service.get(session, who.org_id, link_id)
        return await _editor(
            request, session, who, machine, title="Edit link", edited=edited, link_id=link_id, errors=refused.errors
        )
    return web.redirect(f"{who.path('links')}/{link_id}", flash="Saved, and live.")


@post("/links/{link_id:str}/archive", opt=WRITE)
async def archive_link(
    link_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    await service.archive(session, who.org_id, [link_id])
    return web.redirect(f"{who.path('links')}/{link_id}", flash="Archived: visitors are told that the link has ended.")


@post("/links/{link_id:str}/restore", opt=WRITE)
async def restore_link(
    link_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    await service.restore(session, who.org_id, [link_id])
    return web.redirect(f"{who.path('links')}/{link_id}", flash="The link is live again.")


async def _editor(
    request: AnyRequest,
    session: AsyncSession,
    who: Who,
    machine: Machine,
    *,
    title: str,
    edited: Edited,
    link_id: str,
    errors: tuple[FieldError, ...] = (),
) -> Html:
    base = who.path("links")
    return await web.page(
        request,
        session,
        "links/edit.html",
        title=title,
        status=422 if errors else 200,
        edited=edited,
        errors=errors,
        carries=editor.CARRY_LABELS,
        host=machine.settings.base_url.partition("://")[2],
        is_new=not link_id,
        action=f"{base}/{link_id}/edit" if link_id else base,
        back=f"{base}/{link_id}" if link_id else base,
        base=base,
    )


async def _chosen(request: AnyRequest) -> list[str]:
    return list(dict.fromkeys(inputs.read(await request.form()).lists.get("id", ())))


def _query(request: AnyRequest) -> dict[str, str]:
    """An unset filter of the search form arrives as ""."""
    return {**dict.fromkeys((*filters.NAMES, "cursor"), ""), **web.query(request)}


router = Router(
    path="/o/{org:str}",
    route_handlers=[
        list_links, export_links, new_link, create_link, archive_links, restore_links, show_link, edit_link, save_link,
        archive_link, restore_link,
    ],
    include_in_schema=False,
)  # fmt: skip
