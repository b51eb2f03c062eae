"""`/api/v1/links`."""

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core.access import Who, needs
from site2crm.core.machine import Machine
from site2crm.core.paging import Page
from site2crm.links import export, filters, queries, service
from site2crm.links.shapes import LinkIn, LinkPatch
from site2crm.links.views import LinkOut, view

READ, WRITE = needs("links:read"), needs("links:write")


@get(opt=READ)
async def list_links(
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
    q: FromQuery[str] = "",
    tag: FromQuery[str] = "",
    campaign: FromQuery[str] = "",
    archived: FromQuery[bool] = False,
    sort: FromQuery[str] = "created",
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> Page[LinkOut]:
    """Links of the org, newest first. `q` looks in slug, destination, title, tags and campaign.

    `sort` is `created` or `changed` (not with `q`, `tag`, `campaign`). Archived links are a list of their own.
    """
    base_url = machine.settings.base_url
    asked = {"q": q, "tag": tag, "campaign": campaign, "archived": "true" if archived else "", "sort": sort}
    wanted = filters.of_query(asked, base_url=base_url)
    found = await queries.page(session, who.org_id, wanted, limit=limit, cursor=cursor)
    return Page(data=[view(link, base_url) for link in found.data], page=found.page)


@get(opt=READ, media_type="text/csv")
async def export_links(
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
    q: FromQuery[str] = "",
    tag: FromQuery[str] = "",
    campaign: FromQuery[str] = "",
    archived: FromQuery[bool] = False,
) -> Stream:
    """The same list as CSV, all of it."""
    asked = {"q": q, "tag": tag, "campaign": campaign, "archived": "true" if archived else ""}
    wanted = filters.of_query(asked, base_url=machine.settings.base_url)
    return await export.download(session, machine, who, wanted=wanted)


@post(opt=WRITE)
async def create_link(
    data: JSONBody[LinkIn],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> LinkOut:
    """Make a link. Without `slug` it gets one of seven signs that are not taken for one another."""
    base_url = machine.settings.base_url
    return view(await service.create(session, who.org_id, data, base_url=base_url, actor=who.actor), base_url)


@get("/{link_id:str}", opt=READ)
async def show_link(
    link_id: FromPath[str],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> LinkOut:
    return view(await service.get(session, who.org_id, link_id), machine.settings.base_url)


@patch("/{link_id:str}", opt=WRITE)
async def change_link(
    link_id: FromPath[str],
    data: JSONBody[LinkPatch],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> LinkOut:
    """Merge patch: what is absent stays, null clears. Live within a second; clicks stay with the link."""
    base_url = machine.settings.base_url
    return view(await service.change(session, who.org_id, link_id, patch=data, base_url=base_url), base_url)


@delete("/{link_id:str}", opt=WRITE, status_code=200)
async def archive_link(
    link_id: FromPath[str],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> LinkOut:
    """Archive it: visitors are told that it has ended; slug and clicks stay. `POST .../restore` brings it back."""
    [link] = await service.archive(session, who.org_id, [link_id])
    return view(link, machine.settings.base_url)


@post("/{link_id:str}/restore", opt=WRITE, status_code=200)
async def restore_link(
    link_id: FromPath[str],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> LinkOut:
    [link] = await service.restore(session, who.org_id, [link_id])
    return view(link, machine.settings.base_url)


routers = (
    Router(
        path="/api/v1/links",
        route_handlers=[list_links, create_link, show_link, change_link, archive_link, restore_link],
        tags=["Links"],
    ),
    Router(path="/api/v1/links.csv", route_handlers=[export_links], tags=["Links"]),
)
