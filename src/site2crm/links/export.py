"""The list of links as CSV, a few hundred at a time, so that no session stays open while somebody downloads."""

from collections.abc import AsyncIterator

from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import downloads
from site2crm.core.access import Who
from site2crm.core.machine import Machine
from site2crm.kit import csv
from site2crm.links import queries
from site2crm.links.destinations import UTM
from site2crm.links.queries import LinkItem, Wanted

AT_ONCE = 500
COLUMNS = (
    "id", "short_url", "slug", "url", "title", "tags", "campaign", *UTM, "carry_click", "created_at", "updated_at",
    "archived_at",
)  # fmt: skip


async def download(session: AsyncSession, machine: Machine, who: Who, *, wanted: Wanted) -> Stream:
    await queries.page(session, who.org_id, wanted, limit=1)  # a wrong filter is told before the first line is sent
    return downloads.csv(who, "links", _lines(machine, who.org_id, wanted))


async def _lines(machine: Machine, org_id: str, wanted: Wanted) -> AsyncIterator[str]:
    yield csv.BOM + csv.row(COLUMNS)
    cursor: str | None = None
    while True:
        async with machine.session() as session:
            page = await queries.page_of_any_size(session, org_id, wanted, limit=AT_ONCE, cursor=cursor)
        yield "".join(_line(link, machine.settings.base_url) for link in page.data)
        cursor = page.page.next_cursor
        if cursor is None:
            return


def _line(link: LinkItem, base_url: str) -> str:
    return csv.row(
        [
            link.id,
            base_url + link.path,
            link.slug,
            link.url,
            link.title,
            ", ".join(link.tags),
            link.campaign,
            *(link.utm.get(name) for name in UTM),
            link.carry_click,
            link.created_at.isoformat(timespec="seconds"),
            link.updated_at.isoformat(timespec="seconds"),
            link.archived_at.isoformat(timespec="seconds") if link.archived_at else "",
        ]
    )
