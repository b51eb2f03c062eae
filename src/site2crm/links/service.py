"""Making and changing links. What is written here redirects a moment later, in this process and in every other."""

from collections.abc import Sequence

from msgspec import UNSET
from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import db, revisions
from site2crm.core.db import in_org
from site2crm.core.errors import Invalid
from site2crm.core.events import Event, emit
from site2crm.core.tables import Revision
from site2crm.kit import clock, ids
from site2crm.links import search, slugs, values
from site2crm.links.errors import LinkNotFound, SlugTaken
from site2crm.links.events import LinkArchived, LinkChanged, LinkCreated, LinkRestored
from site2crm.links.models import Link, LinkSearch
from site2crm.links.shapes import Carry, LinkIn, LinkPatch, Utm

__all__ = ["Carry", "LinkIn", "LinkPatch", "Utm", "archive", "change", "create", "get", "restore"]

CACHE = "links"
MOST_AT_ONCE = 200


async def create(session: AsyncSession, org_id: str, data: LinkIn, *, base_url: str, actor: str | None = None) -> Link:
    """Raises Invalid naming every field that does not fit, SlugTaken."""
    now = clock.now()
    link = Link(id=ids.new("lnk"), org_id=org_id, domain="", tags=[], utm={}, created_by=actor, created_at=now)
    patch = LinkPatch(
        url=data.url,
        slug=UNSET if data.slug is None else data.slug,
        title=data.title,
        tags=data.tags,
        campaign=data.campaign,
        utm=data.utm,
        carry_click=data.carry_click,
    )
    values.check_domain(data.domain, base_url=base_url)
    values.apply(link, patch, base_url=base_url)
    link.updated_at = now
    await db.lock(session)
    if data.slug is None:
        link.slug = await _unused(session)
        link.slug_key = link.slug
    else:
        await _must_be_free(session, link)
    link.revision = await _next_revision(session)
    session.add(link)
    await session.flush()
    session.add(LinkSearch(org_id=org_id, link_id=link.id, words=_words(link)))
    await session.flush()
    await emit(session, LinkCreated(org_id=org_id, link_id=link.id))
    return link


async def change(session: AsyncSession, org_id: str, link_id: str, *, patch: LinkPatch, base_url: str) -> Link:
    """A changed slug is answered at once, the one before no more. Raises Invalid, SlugTaken, LinkNotFound."""
    await db.lock(session)
    link = await get(session, org_id, link_id)
    with session.no_autoflush:
        values.apply(link, patch, base_url=base_url)
        if patch.slug is not UNSET:
            await _must_be_free(session, link)
        await _index(session, org_id, [link])
    link.revision = await _next_revision(session)
    await session.flush()
    await emit(session, LinkChanged(org_id=org_id, link_id=link.id))
    return link


async def archive(session: AsyncSession, org_id: str, link_ids: Sequence[str]) -> list[Link]:
    """They lead nowhere any more; slugs and numbers stay theirs. All of them or, if one is not the org's, none."""
    links = await _several(session, org_id, link_ids)
    now = clock.now()
    changed = [link for link in links if link.archived_at is None]
    for link in changed:
        link.archived_at = now
    await _settle(session, changed, LinkArchived)
    return links


async def restore(session: AsyncSession, org_id: str, link_ids: Sequence[str]) -> list[Link]:
    links = await _several(session, org_id, link_ids)
    changed = [link for link in links if link.archived_at is not None]
    for link in changed:
        link.archived_at = None
    await _settle(session, changed, LinkRestored)
    return links


async def get(session: AsyncSession, org_id: str, link_id: str) -> Link:
    """Raises LinkNotFound."""
    link = await session.scalar(in_org(Link, org_id).where(Link.id == link_id))
    if link is None:
        raise LinkNotFound
    return link


async def _several(session: AsyncSession, org_id: str, link_ids: Sequence[str]) -> list[Link]:
    wanted = list(dict.fromkeys(link_ids))
    if len(wanted) > MOST_AT_ONCE:
        raise Invalid.field("id", f"At most {MOST_AT_ONCE} links at once.")
    await db.lock(session)
    found = {link.id: link for link in await session.scalars(select(Link).where(db.these(Link, org_id, wanted)))}
    if len(found) < len(wanted):
        raise LinkNotFound
    return [found[link_id] for link_id in wanted]


async def _settle(
    session: AsyncSession, links: Sequence[Link], happened: type[LinkArchived] | type[LinkRestored]
) -> None:
    if not links:
        return
    revision, now = await _next_revision(session), clock.now()
    for link in links:
        link.revision, link.updated_at = revision, now
    await _index(session, links[0].org_id, links)
    await session.flush()
    for link in links:
        event: Event = happened(org_id=link.org_id, link_id=link.id)
        await emit(session, event)


async def _next_revision(session: AsyncSession) -> int:
    """The number of this change. The counter's row is locked by it, so numbers come in the order of the commits."""
    await revisions.bump(session, CACHE)
    return await session.scalar(select(Revision.value).where(Revision.name == CACHE)) or 0


async def _must_be_free(session: AsyncSession, link: Link) -> None:
    """Archived links keep their slugs: what is printed somewhere must not lead to somebody else."""
    same = or_(Link.slug_key == slugs.key(link.slug), Link.slug == link.slug)
    other = select(Link.id).where(Link.domain == link.domain, same, Link.id != link.id).limit(1)
    if await session.scalar(other) is not None:
        raise SlugTaken(link.slug)


async def _unused(session: AsyncSession) -> str:
    while True:
        slug = slugs.generated()
        taken = select(Link.id).where(Link.domain == "", or_(Link.slug_key == slug, Link.slug == slug)).limit(1)
        if await session.scalar(taken) is None:
            return slug


async def _index(session: AsyncSession, org_id: str, links: Sequence[Link]) -> None:
    by_id = {link.id: link for link in links}
    # coalesce: else the planner walks the whole org instead of looking the links up
    mine = func.coalesce(LinkSearch.org_id, "") == org_id
    for found in await session.scalars(select(LinkSearch).where(LinkSearch.link_id.in_(by_id), mine)):
        found.words = _words(by_id[found.link_id])


def _words(link: Link) -> str:
    return search.words(
        link.org_id,
        slug=link.slug,
        url=link.url,
        title=link.title,
        tags=link.tags,
        campaign=link.campaign,
        archived=link.archived_at is not None,
    )
