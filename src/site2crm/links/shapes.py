"""What a link is made of, as it is asked for. The pages, the API and the command line all end here."""

from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

Title = Annotated[str, Meta(max_length=200)]
Tag = Annotated[str, Meta(max_length=50)]
Campaign = Annotated[str, Meta(max_length=100)]
Parameter = Annotated[str, Meta(max_length=200)]


class Carry(StrEnum):
    """Whether the destination is told which click brought the visitor: auto is where one of the org's forms stands."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Utm(Struct, forbid_unknown_fields=True, kw_only=True):
    """What is added to the destination where it has no parameter of that name. null clears one."""

    utm_source: Parameter | None | UnsetType = UNSET
    utm_medium: Parameter | None | UnsetType = UNSET
    utm_campaign: Parameter | None | UnsetType = UNSET
    utm_term: Parameter | None | UnsetType = UNSET
    utm_content: Parameter | None | UnsetType = UNSET


class LinkIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """A new link. Without a slug it gets one of seven signs."""

    url: str
    slug: str | None = None
    domain: str | None = None
    title: Title | None = None
    tags: list[Tag] | None = None
    campaign: Campaign | None = None
    utm: Utm | None = None
    carry_click: Carry | None = None


class LinkPatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """What is to change; merge patch: what is absent stays, null clears."""

    url: str | UnsetType = UNSET
    slug: str | UnsetType = UNSET
    title: Title | None | UnsetType = UNSET
    tags: list[Tag] | None | UnsetType = UNSET
    campaign: Campaign | None | UnsetType = UNSET
    utm: Utm | None | UnsetType = UNSET
    carry_click: Carry | None | UnsetType = UNSET
