"""A link as the API and the command line answer it."""

from datetime import datetime
from urllib.parse import urlsplit

from msgspec import Struct

from site2crm.links import destinations
from site2crm.links.models import Link
from site2crm.links.queries import LinkItem, path_of


class LinkOut(Struct, frozen=True):
    id: str
    slug: str
    domain: str
    short_url: str
    url: str
    target: str
    """Where visitors are sent: `url` with the parameters of `utm` that it has not itself."""
    title: str
    tags: list[str]
    campaign: str
    utm: dict[str, str]
    carry_click: str
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


def view(link: Link | LinkItem, base_url: str) -> LinkOut:
    return LinkOut(
        id=link.id,
        slug=link.slug,
        domain=link.domain or urlsplit(base_url).netloc,
        short_url=base_url + path_of(link.slug),
        url=link.url,
        target=destinations.with_utm(link.url, link.utm),
        title=link.title,
        tags=link.tags,
        campaign=link.campaign,
        utm=link.utm,
        carry_click=link.carry_click,
        created_at=link.created_at,
        updated_at=link.updated_at,
        archived_at=link.archived_at,
    )
