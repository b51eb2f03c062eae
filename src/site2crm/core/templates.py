"""Pages: one Jinja environment, the macros of `templates/ui/` as the global `ui`, and what every layout expects.

A page shows, it does not think: it gets a `Shell` and plain data. While a page renders, its nonce and the zone of its
org stand in a context variable, so that `ui.time(lead.created_at)` and `hx_get=...` need not be handed either.
"""

import functools
import os
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import jinja2
from jinja2.runtime import Macro
from markupsafe import Markup
from msgspec import Struct

from site2crm.core import formats, resources
from site2crm.core.assets import asset

Tone = Literal["neutral", "info", "good", "warn", "bad"]


class Person(Struct, kw_only=True):
    """Who is signed in."""

    name: str
    email: str


class Org(Struct, kw_only=True):
    """The org of the page; in the switcher, one of them."""

    id: str
    slug: str
    name: str
    time_zone: str = "UTC"


class NavItem(Struct, kw_only=True):
    """A link in the navigation or, as a create action, in the command palette."""

    label: str
    url: str
    icon: str = "chevron-right"
    current: bool = False
    count: int | None = None


class NavSection(Struct, kw_only=True):
    """Links under one heading; the first section has none."""

    items: list[NavItem]
    label: str = ""


class Banner(Struct, kw_only=True):
    """Something the whole org must know, with the button that mends it."""

    text: str
    tone: Tone = "info"
    action_label: str = ""
    action_url: str = ""
    told_at: tuple[str, ...] = ()
    """Paths of pages that say it themselves, and more of it: there it is left out."""
    seen_url: str = ""
    """For what happened and stays said until a person has read it: a POST there takes it away."""
    seen_fields: dict[str, str] = {}
    of_instance: bool = False
    """It is about the whole installation and not about the org."""


class Flash(Struct, kw_only=True):
    """What just happened, shown once after a redirect."""

    text: str
    tone: Tone = "good"


class Shell(Struct, kw_only=True):
    """What a layout needs to draw everything around the content; a template knows it as `page`."""

    title: str
    nonce: str = ""
    theme: Literal["system", "light", "dark"] = "system"
    lang: str = "en"
    user: Person | None = None
    org: Org | None = None
    orgs: list[Org] = []
    nav: list[NavSection] = []
    actions: list[NavItem] = []
    banners: list[Banner] = []
    flash: list[Flash] = []
    help_url: str = "/help"
    profile_url: str = "/profile"
    search_url: str = ""
    new_org_url: str = ""

    @property
    def zone(self) -> str:
        return self.org.time_zone if self.org else "UTC"


class _Surroundings(Struct, frozen=True):
    nonce: str = ""
    zone: str = "UTC"


_around: ContextVar[_Surroundings] = ContextVar("_around", default=_Surroundings())  # noqa: B039 (frozen)


def render(name: str, **context: object) -> str:
    """A template with its data. `page=Shell(...)` for a page; a fragment may give only `nonce` and `zone`."""
    page = context.get("page")
    if isinstance(page, Shell):
        around = _Surroundings(page.nonce, page.zone)
    else:
        around = _Surroundings(str(context.get("nonce", "")), str(context.get("zone", "UTC")))
    token = _around.set(around)
    try:
        return current().get_template(name).render(context)
    finally:
        _around.reset(token)


@functools.cache
def current() -> jinja2.Environment:
    """The environment of this installation; `SITE2CRM_TEMPLATES_RELOAD=1` re-reads changed templates."""
    return load(resources.templates(), auto_reload=os.environ.get("SITE2CRM_TEMPLATES_RELOAD") == "1")


def load(folder: Path, *, auto_reload: bool = False) -> jinja2.Environment:
    """An environment over a folder of templates, with filters, globals and macros."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=jinja2.select_autoescape(disabled_extensions=("txt",), default=True),
        undefined=jinja2.StrictUndefined,
        auto_reload=auto_reload,
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=-1,
    )
    environment.filters |= _filters()
    environment.globals |= {"asset": asset, "nonce": _nonce, "zone": _zone, "ui": SimpleNamespace()}
    vars(environment.globals["ui"]).update(_macros(environment))
    return environment


def _filters() -> dict[str, Callable[..., object]]:
    return {
        "local": _local,
        "day": _day,
        "date": formats.date,
        "ago": formats.ago,
        "number": formats.number,
        "bytes": formats.size,
        "plural": formats.plural,
        "json_pretty": formats.json_pretty,
        "initials": formats.initials,
        "query": formats.query,
        "attrs": _attrs,
    }


def _local(at: datetime, zone: str = "") -> str:
    return formats.local(at, zone or _zone())


def _day(at: datetime, zone: str = "") -> str:
    return formats.day(at, zone or _zone())


def _attrs(values: dict[str, object]) -> Markup:
    return formats.attributes(values, _nonce())


def _nonce() -> str:
    return _around.get().nonce


def _zone() -> str:
    return _around.get().zone


def _macros(environment: jinja2.Environment) -> dict[str, Macro]:
    """The public macros of every file in `templates/ui/`. They reach each other through `ui`, filled afterwards."""
    found: dict[str, Macro] = {}
    for name in environment.list_templates(filter_func=lambda path: path.startswith("ui/")):
        module = environment.get_template(name).module
        macros = {key: value for key, value in vars(module).items() if isinstance(value, Macro)}
        clash = found.keys() & macros.keys()
        if clash:
            raise ValueError(f"{name}: macro defined twice: {', '.join(sorted(clash))}")
        found |= macros
    return found
