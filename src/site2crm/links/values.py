"""What was asked for, checked and put into the row; every refused field is told at once."""

from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

from msgspec import UNSET, UnsetType

from site2crm.core.errors import FieldError, Invalid
from site2crm.kit import clock
from site2crm.links import destinations, slugs
from site2crm.links.models import Link
from site2crm.links.shapes import Carry, LinkPatch, Utm

MOST_TAGS = 20

T = TypeVar("T")


def apply(link: Link, patch: LinkPatch, *, base_url: str) -> None:
    """Raises Invalid naming every field that does not fit; then nothing is changed."""
    refused: list[FieldError] = []
    values = {
        "url": _read(patch.url, lambda given: destinations.checked(given, base_url=base_url), "", refused),
        "slug": _read(patch.slug, slugs.checked, "", refused),
        "title": _read(patch.title, _line, "", refused),
        "tags": _read(patch.tags, _tags, [], refused),
        "campaign": _read(patch.campaign, _line, "", refused),
        "utm": _read(patch.utm, lambda given: _utm(link.utm, given), {}, refused),
        "carry_click": _read(patch.carry_click, lambda given: given.value, Carry.AUTO.value, refused),
    }
    if refused:
        raise Invalid(refused[0].message, errors=refused)
    for name, value in values.items():
        if value is not UNSET:
            setattr(link, name, value)
    if values["slug"] is not UNSET:
        link.slug_key = slugs.key(link.slug)
    link.updated_at = clock.now()


def check_domain(domain: str | None, *, base_url: str) -> None:
    """Links answer on the instance's own host only."""
    own = urlsplit(base_url)
    if domain and domain.strip().lower() not in {own.netloc, own.hostname}:
        raise Invalid.field("domain", f"Links answer on {own.netloc}: leave the domain out.")


def _read(given: T | None | UnsetType, read: Callable[[T], object], empty: object, refused: list[FieldError]) -> object:
    if isinstance(given, UnsetType):
        return UNSET
    if given is None:
        return empty
    try:
        return read(given)
    except Invalid as invalid:
        refused.extend(invalid.errors)
        return UNSET


def _line(text: str) -> str:
    """One line, without what cannot be seen."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _tags(given: list[str]) -> list[str]:
    """Each once, whatever its case; the first spelling stays. A comma would make two of it in an export."""
    found: dict[str, str] = {}
    for tag in (_line(text.replace(",", " ")) for text in given):
        if tag:
            found.setdefault(tag.casefold(), tag)
    if len(found) > MOST_TAGS:
        raise Invalid.field("tags", f"At most {MOST_TAGS} tags; these are {len(found)}.")
    return list(found.values())


def _utm(before: dict[str, str], given: Utm) -> dict[str, str]:
    merged = dict(before)
    for name in destinations.UTM:
        value: str | None | UnsetType = getattr(given, name)
        if not isinstance(value, UnsetType):
            merged[name] = _line(value or "")
    return {name: value for name, value in merged.items() if value}
