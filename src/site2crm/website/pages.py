"""The public pages: front page, help centre, API reference, and what robots and browsers look for."""

import secrets
from functools import lru_cache
from typing import Any

from litestar import Litestar, Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from markupsafe import Markup

from site2crm.core import templates, web
from site2crm.core.access import public, who_asks
from site2crm.core.assets import asset
from site2crm.core.errors import NotFound
from site2crm.core.machine import Machine
from site2crm.core.templates import NavItem, NavSection, Person, Shell
from site2crm.core.web import AnyRequest, Html
from site2crm.website import articles, facts, reference, search
from site2crm.website.articles import ARTICLES

ROBOTS = """\
User-agent: *
Allow: /
Disallow: /api/
Disallow: /f/
Disallow: /invite/
Disallow: /login
Disallow: /o
Disallow: /profile
Disallow: /reset
Disallow: /setup/
"""


@get("/", opt=public())
async def front_page(request: AnyRequest) -> Response[Any]:
    """What this is, for a stranger; whoever is signed in goes on to the dashboard."""
    who = who_asks(request)
    if who is not None and who.user_id is not None:
        return web.redirect("/o")
    return _page(request, "website/front.html", title="Website leads into your CRM", nav=[])


@get("/robots.txt", opt=public(), media_type="text/plain")
async def robots() -> str:
    return ROBOTS


@get("/favicon.ico", opt=public())
async def favicon() -> Response[None]:
    """Browsers ask for it on pages that name no icon."""
    return Response(None, status_code=302, headers={"Location": asset("favicon.svg")})


@get("/help", opt=public())
async def help_index(request: AnyRequest, machine: NamedDependency[Machine], q: FromQuery[str] = "") -> Html:
    query = q.strip()[: search.LONGEST_QUERY]
    hits = search.search(facts.of(machine.settings), query)
    return _page(
        request,
        "help/index.html",
        title=f"Help: {query}" if query else "Help",
        nav=articles.navigation(),
        q=query,
        hits=hits,
        sections=articles.SECTIONS,
    )


@get("/help/{slug:str}", opt=public())
async def help_article(request: AnyRequest, machine: NamedDependency[Machine], slug: FromPath[str]) -> Html:
    article = ARTICLES.get(slug)
    if article is None:
        raise NotFound("There is no such help page. Look in the list at /help.")
    context = facts.context(facts.of(machine.settings))
    return _page(request, article.template, title=article.title, nav=articles.navigation(slug), **context)


@get("/docs", opt=public())
async def api_reference(request: AnyRequest, machine: NamedDependency[Machine]) -> Html:
    groups = reference.groups(request.app)
    nav = [
        NavSection(label=group.label, items=[NavItem(label=o.summary, url=f"#{o.anchor}") for o in group.operations])
        for group in groups
    ]
    shown = {"operations": _operations(request.app), "base": machine.url("")}
    return _page(request, "website/docs.html", title="API reference", nav=nav, **shown)


@lru_cache(maxsize=1)
def _operations(app: Litestar) -> Markup:
    """The same for everybody, and a tenth of a second to draw: once is enough."""
    return Markup(templates.render("website/_operations.html", groups=reference.groups(app)))  # noqa: S704 - a template escaped it


def _page(request: AnyRequest, template: str, *, title: str, nav: list[NavSection], **context: object) -> Html:
    """A page without an org: the navigation is the help centre's."""
    who = who_asks(request)
    is_person = who is not None and who.user_id is not None
    chosen = who.theme if who is not None and is_person else request.cookies.get("theme", "system")
    shell = Shell(
        title=title,
        nonce=secrets.token_urlsafe(16),
        theme="light" if chosen == "light" else "dark" if chosen == "dark" else "system",
        user=Person(name=who.name, email=who.email) if who is not None and is_person else None,
        nav=nav,
    )
    headers = {"Content-Security-Policy": web.content_policy(shell.nonce), "Cache-Control": "no-store"}
    body = templates.render(template, page=shell, **context)
    return Response(body, media_type="text/html", headers=headers)


router = Router(
    path="/",
    route_handlers=[front_page, robots, favicon, help_index, help_article, api_reference],
    include_in_schema=False,
)
