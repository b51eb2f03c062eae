"""The link editor's fields into what the service takes, and a link into what the editor shows."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct

from site2crm.core.errors import Invalid
from site2crm.core.inputs import Fields
from site2crm.links.destinations import UTM
from site2crm.links.models import Link
from site2crm.links.shapes import Carry, LinkIn, LinkPatch

S = TypeVar("S", bound=Struct)

CARRY_LABELS = [
    (Carry.AUTO.value, "Where one of our forms stands"),
    (Carry.ALWAYS.value, "Always"),
    (Carry.NEVER.value, "Never"),
]


class Edited(Struct, frozen=True):
    """What the editor shows, from a link or from what was posted."""

    url: str = ""
    slug: str = ""
    title: str = ""
    tags: str = ""
    campaign: str = ""
    carry_click: str = Carry.AUTO.value
    utm: dict[str, str] = {}


def of_link(link: Link) -> Edited:
    return Edited(link.url, link.slug, link.title, ", ".join(link.tags), link.campaign, link.carry_click, link.utm)


def of_posted(fields: Fields) -> Edited:
    plain = {name: fields.get(name, "").strip() for name in ("url", "slug", "title", "tags", "campaign")}
    utm = {name: fields.get(name, "").strip() for name in UTM}
    return Edited(**plain, carry_click=fields.get("carry_click", "") or Carry.AUTO.value, utm=utm)


def to_new(edited: Edited) -> LinkIn:
    """Raises Invalid for a field that is too long; `service` checks the rest."""
    return _read({**_values(edited), "slug": edited.slug or None}, LinkIn)


def to_patch(edited: Edited) -> LinkPatch:
    return _read({**_values(edited), "slug": edited.slug}, LinkPatch)


def _values(edited: Edited) -> dict[str, object]:
    return {
        "url": edited.url,
        "title": edited.title,
        "tags": [tag.strip() for tag in edited.tags.split(",") if tag.strip()],
        "campaign": edited.campaign,
        "carry_click": edited.carry_click,
        "utm": {name: edited.utm.get(name) or None for name in UTM},
    }


def _read(values: Mapping[str, object], kind: type[S]) -> S:
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$.")
        field = path.rstrip("`").partition("[")[0].removeprefix("utm.")
        raise Invalid.field(field or "url", f"{text}.") from error
