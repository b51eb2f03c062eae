"""`/o/{org}/leads`: the list, a lead's page, export, bulk changes."""

from collections.abc import Mapping
from typing import Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import downloads, feature, inputs, web
from site2crm.core.access import Who, needs
from site2crm.core.errors import FieldError, Invalid
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest, Html
from site2crm.forms import queries as forms
from site2crm.leads import export, filters, finding, live, queries, service
from site2crm.leads.errors import EmailTaken
from site2crm.leads.finding import LeadItem, Wanted
from site2crm.leads.service import LeadPatch, Line, Text
from site2crm.leads.states import LeadStatus
from site2crm.links import queries as links

READ, WRITE, EXPORT = needs("leads:read"), needs("leads:write"), needs("leads:export")
CUSTOM = "custom."
PLACE = "leads"
REFRESH_S = 20

Answer = Response[Any]
Query = Mapping[str, str]


class Edited(Struct):
    """The form in which a person mends a lead."""

    email: Line = ""
    first_name: Line = ""
    last_name: Line = ""
    phone: Line = ""
    company: Line = ""
    message: Text = ""


@get("/leads", opt=READ)
async def list_leads(request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]) -> Html:
    query, base = _query(request), who.path(PLACE)
    wanted = _wanted(query, who)
    found = await finding.page(session, who.org_id, wanted, cursor=query.get("cursor") or None)
    names = await forms.names(session, who.org_id)
    link_names = await _link_names(session, who, query["link"])
    is_filtered = any(query.get(name) for name in filters.NAMES if name != "sort")
    cursor = found.page.next_cursor
    return await web.page(
        request,
        session,
        "leads/index.html",
        title="Leads",
        base=base,
        leads=found.data,
        query=query,
        sort="created" if wanted.by_words else wanted.sort,
        sortable=not wanted.by_words,
        form_names=names,
        chips=filters.chips(base, query, names | link_names),
        tabs=await _tabs(session, who, wanted.status),
        here=filters.address(base, query, cursor=query.get("cursor") or None),
        address=lambda **changed: filters.address(base, query, **changed),
        csv=filters.address(f"{base}.csv", query),
        older=filters.address(base, query, cursor=cursor) if cursor else "",
        is_filtered=is_filtered,
        is_empty=not found.data and not is_filtered and not await queries.any_lead(session, who.org_id),
        refresh_s=REFRESH_S,
    )


@get("/leads/live", opt=READ)
async def live_leads(who: NamedDependency[Who]) -> Stream:
    """Server-sent events: the list looks again at each one."""
    return live.answer(who.org_id)


@get("/leads.csv", opt=EXPORT)
async def export_leads(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Stream:
    """The list with its filters, or the leads that were ticked (`id`, repeated)."""
    chosen = request.query_params.getall("id", [])
    if chosen:
        content: Any = await export.chosen_lines(session, who.org_id, chosen[: service.MOST_AT_ONCE])
    else:
        wanted = _wanted(_query(request), who)
        await finding.page(session, who.org_id, wanted, limit=1)  # a wrong filter is told before the first line is sent
        content = export.lines(machine, who.org_id, wanted)
    return downloads.csv(who, "leads", content)


@post("/leads/archive", opt=WRITE)
async def archive_leads(
    request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    chosen = await _chosen(request)
    await service.archive(session, who.org_id, chosen)
    return web.redirect(who.path(PLACE), flash=f"Archived: {len(chosen)}.")


@post("/leads/restore", opt=WRITE)
async def restore_leads(
    request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    chosen = await _chosen(request)
    await service.restore(session, who.org_id, chosen)
    return web.redirect(who.path(PLACE), flash=f"Back in the list: {len(chosen)}.")


@get("/leads/{lead_id:str}", opt=READ)
async def show_lead(
    lead_id: FromPath[str], request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Html:
    lead = await queries.lead(session, who.org_id, lead_id)
    assert who.org is not None
    return await web.page(
        request,
        session,
        "leads/show.html",
        title=lead.name,
        lead=lead,
        form_name=(await forms.names(session, who.org_id)).get(lead.form, ""),
        entries=await feature.timeline(session, who, lead.id),
        panels=await feature.panels(session, who.org, "lead", lead.id),
        base=who.path(PLACE),
        errors=(),
        edited=_as_fields(lead),
        refresh_s=REFRESH_S,
    )


@post("/leads/{lead_id:str}", opt=WRITE)
async def save_lead(
    lead_id: FromPath[str], request: AnyRequest, session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    posted = inputs.read(await request.form())
    try:
        await service.change(session, who.org_id, lead_id, patch=_patch(posted))
    except (Invalid, EmailTaken) as refused:
        await session.rollback()
        lead = await queries.lead(session, who.org_id, lead_id)
        errors = refused.errors or (FieldError("email", refused.detail),)
        return await web.page(
            request,
            session,
            "leads/edit.html",
            title=f"Edit {lead.name}",
            status=422,
            lead=lead,
            base=who.path(PLACE),
            errors=errors,
            edited={**_as_fields(lead), **posted},
        )
    return web.redirect(f"{who.path(PLACE)}/{lead_id}", flash="Saved.")


@post("/leads/{lead_id:str}/archive", opt=WRITE)
async def archive_lead(
    lead_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    await service.archive(session, who.org_id, [lead_id])
    return web.redirect(f"{who.path(PLACE)}/{lead_id}", flash="Archived.")


@post("/leads/{lead_id:str}/restore", opt=WRITE)
async def restore_lead(
    lead_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    await service.restore(session, who.org_id, [lead_id])
    return web.redirect(f"{who.path(PLACE)}/{lead_id}", flash="Back in the list.")


@post("/leads/{lead_id:str}/delete", opt=WRITE)
async def delete_lead(
    lead_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Answer:
    await service.erase(session, who.org_id, [lead_id])
    return web.redirect(who.path(PLACE), flash="The lead is deleted.")


async def _link_names(session: AsyncSession, who: Who, link_id: str) -> dict[str, str]:
    """Of the link that the list is filtered by."""
    found = await links.by_ids(session, who.org_id, [link_id]) if link_id else {}
    return {link.id: link.name for link in found.values()}


async def _tabs(session: AsyncSession, who: Who, status: str) -> list[tuple[str, str, bool, int | None]]:
    base = who.path(PLACE)
    review = await queries.count_to_review(session, who.org_id)
    held = await queries.count_quarantined(session, who.org_id)
    return [
        ("Open", base, status == "", None),
        ("Needs review", f"{base}?status={LeadStatus.NEEDS_REVIEW}", status == LeadStatus.NEEDS_REVIEW, review or None),
        ("Archived", f"{base}?status={LeadStatus.ARCHIVED}", status == LeadStatus.ARCHIVED, None),
        ("Quarantine", base.removesuffix(PLACE) + "quarantine", False, held or None),
    ]


async def _chosen(request: AnyRequest) -> list[str]:
    return list(dict.fromkeys(inputs.read(await request.form()).lists.get("id", ())))


def _query(request: AnyRequest) -> dict[str, str]:
    """An unset filter of the search form arrives as ""."""
    return {**dict.fromkeys((*filters.NAMES, "cursor"), ""), **web.query(request)}


def _wanted(query: Query, who: Who) -> Wanted:
    assert who.org is not None
    return filters.of_query(query, zone=who.org.time_zone, sort="activity")


def _patch(posted: inputs.Fields) -> LeadPatch:
    edited = inputs.parse(Edited, posted)
    custom = {
        name.removeprefix(CUSTOM): value.strip()[: service.TEXT_CHARS] or None
        for name, value in posted.items()
        if name.startswith(CUSTOM)
    }
    return LeadPatch(
        email=edited.email or None,
        first_name=edited.first_name or None,
        last_name=edited.last_name or None,
        phone=edited.phone or None,
        company=edited.company or None,
        message=edited.message or None,
        custom=dict(custom),
    )


def _as_fields(lead: LeadItem) -> dict[str, str]:
    plain = {name: getattr(lead, name) or "" for name in Edited.__struct_fields__}
    return plain | {CUSTOM + name: value for name, value in lead.custom.items()}


router = Router(
    path="/o/{org:str}",
    route_handlers=[
        list_leads, live_leads, export_leads, archive_leads, restore_leads, show_lead, save_lead, archive_lead,
        restore_lead, delete_lead,
    ],
    include_in_schema=False,
)  # fmt: skip
