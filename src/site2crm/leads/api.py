"""`/api/v1/leads` and `/api/v1/submissions`."""

from typing import Annotated, Any

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import feature
from site2crm.core.access import Who, needs
from site2crm.core.machine import Machine
from site2crm.core.paging import Page
from site2crm.leads import clicks, filters, finding, queries, service
from site2crm.leads.finding import LeadItem
from site2crm.leads.queries import SubmissionDetail, SubmissionItem
from site2crm.leads.service import LeadPatch

READ, WRITE = needs("leads:read"), needs("leads:write")


class Timeline(Struct, frozen=True):
    """Newest first; beside `type`, `at` and `title` each type has its own fields."""

    data: list[dict[str, Any]]


@get(opt=READ)
async def list_leads(
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    q: FromQuery[str] = "",
    email: FromQuery[str] = "",
    form: FromQuery[str] = "",
    link: FromQuery[str] = "",
    utm_source: FromQuery[str] = "",
    status: FromQuery[str] = "",
    since: Annotated[str, QueryParameter(name="from")] = "",
    until: Annotated[str, QueryParameter(name="to")] = "",
    sort: FromQuery[str] = "created",
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> Page[LeadItem]:
    """Leads of the org, newest first. Without `status` those that are not archived; `all` for every one.

    `link`: the id of a short link, for the leads that a click on it has brought. `from` and `to` are days (UTC) or
    moments; `sort` is `created` or `activity` (not with `q`, `form`, `link`, `utm_source`).
    """
    asked = {
        "q": q, "email": email, "form": form, "link": link, "utm_source": utm_source, "status": status, "from": since,
        "to": until, "sort": sort,
    }  # fmt: skip
    return await finding.page(session, who.org_id, filters.of_query(asked), limit=limit, cursor=cursor)


@get("/{lead_id:str}", opt=READ)
async def show_lead(
    lead_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> LeadItem:
    return await queries.lead(session, who.org_id, lead_id)


@patch("/{lead_id:str}", opt=WRITE)
async def change_lead(
    lead_id: FromPath[str], data: JSONBody[LeadPatch], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> LeadItem:
    """Merge patch: what is absent stays, null clears. What was delivered is not changed in a CRM. Needs `leads:read`
    too, for what it answers."""
    who.require("leads:read")
    await service.change(session, who.org_id, lead_id, patch=data)
    return await queries.lead(session, who.org_id, lead_id)


@delete("/{lead_id:str}", opt=WRITE)
async def delete_lead(
    lead_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> None:
    """Delete the lead with all its submissions and deliveries, for good."""
    await service.erase(session, who.org_id, [lead_id])


@get("/{lead_id:str}/timeline", opt=READ)
async def show_timeline(
    lead_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> Timeline:
    """Everything that happened to the lead: its deliveries with `deliveries:read`, its deals with `deals:read`."""
    await queries.lead(session, who.org_id, lead_id)
    entries = await feature.timeline(session, who, lead_id)
    return Timeline([{**entry.data, "type": entry.type, "at": entry.at, "title": entry.title} for entry in entries])


@get(opt=READ)
async def list_submissions(
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    form: FromQuery[str] = "",
    lead: FromQuery[str] = "",
    status: FromQuery[str] = "",
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> Page[SubmissionItem]:
    """What forms have received, newest first. `status`: accepted, quarantined, test or duplicate."""
    return await queries.submissions(
        session, who.org_id, form=form, lead=lead, status=status, limit=limit, cursor=cursor
    )


@get("/{submission_id:str}", opt=READ)
async def show_submission(
    submission_id: FromPath[str], session: NamedDependency[AsyncSession], who: NamedDependency[Who]
) -> SubmissionDetail:
    """One submission with its body as it was posted."""
    return await queries.submission(session, who.org_id, submission_id)


@post("/{submission_id:str}/release", opt=WRITE, status_code=200)
async def release_submission(
    submission_id: FromPath[str],
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> SubmissionDetail:
    """Not spam: it makes or joins its lead and is delivered. Needs `leads:read` too, for what it answers."""
    who.require("leads:read")
    window_s = machine.settings.intake.dedupe_window
    await service.release(session, who.org_id, [submission_id], window_s=window_s, seal=clicks.seal_of(machine))
    return await queries.submission(session, who.org_id, submission_id)


routers = (
    Router(
        path="/api/v1/leads",
        route_handlers=[list_leads, show_lead, change_lead, delete_lead, show_timeline],
        tags=["Leads"],
    ),
    Router(
        path="/api/v1/submissions",
        route_handlers=[list_submissions, show_submission, release_submission],
        tags=["Submissions"],
    ),
)
