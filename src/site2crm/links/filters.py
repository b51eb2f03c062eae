"""What a list was asked for, between the address bar and `queries`."""

import re
from collections.abc import Mapping

from site2crm.core import formats
from site2crm.links.queries import Wanted

NAMES = ("q", "tag", "campaign", "archived", "sort")
CHIPS = {"tag": "Tag", "campaign": "Campaign"}

_SCHEME = re.compile(r"https?://", re.IGNORECASE)


def of_query(query: Mapping[str, str], *, base_url: str) -> Wanted:
    """A pasted short link is looked for by its slug, a pasted address without its scheme."""
    q = query.get("q", "").strip().removeprefix(base_url + "/")
    return Wanted(
        q=_SCHEME.sub(" ", q),
        tag=query.get("tag", "").strip(),
        campaign=query.get("campaign", "").strip(),
        archived=query.get("archived", "") == "true",
        sort=query.get("sort", "") or "created",
    )


def address(base: str, query: Mapping[str, str], **changed: str | None) -> str:
    """The list with these filters; None drops one. A changed filter begins at the first page."""
    kept = {name: query[name] for name in NAMES if query.get(name)}
    return formats.query(base, **{**kept, **changed})


def chips(base: str, query: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(label, value, address without it) of every filter that is set."""
    return [
        (label, query[name], address(base, query, **{name: None})) for name, label in CHIPS.items() if query.get(name)
    ]
