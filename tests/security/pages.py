"""Every page that a person can open, and what stands in its HTML."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx

from tests.cast import Person
from tests.security import routes
from tests.security.routes import NOT_IDS
from tests.security.world import World

SAFE_ADDRESSES = ("http://", "https://", "/", "#", "?", "mailto:", "tel:", "data:image/")
ADDRESSES = {"href", "src", "action", "formaction", "hx-get", "hx-post", "poster", "data", "xlink:href"}


@dataclass
class Markup(HTMLParser):
    """What a page does: scripts, handlers, addresses."""

    nonces: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if given.get("nonce"):
            self.nonces.add(given["nonce"])
        if tag == "script" and "src" not in given and "nonce" not in given and given.get("type") != "application/json":
            self.wrong.append(f"<script {given}>")
        if tag in {"style", "iframe", "object", "embed", "base"} and not (tag == "iframe" and given["src"][0] == "/"):
            self.wrong.append(f"<{tag} {given}>")
        for name, value in given.items():
            if name.startswith(("on", "hx-on")) or name in {"style", "srcdoc"}:
                self.wrong.append(f"{name}={value[:60]}")
            if name in ADDRESSES and value and not value.startswith(SAFE_ADDRESSES):
                self.wrong.append(f"{name}={value[:60]}")


def markup(page: httpx.Response) -> Markup:
    found = Markup()
    found.feed(page.text)
    return found


def addresses(world: World) -> list[str]:
    """Of all pages of Acme and of nobody in particular."""
    ids = {**world.acme.ids, **NOT_IDS}
    found = []
    for route in routes.every(world.instance):
        is_page = route.method == "GET" and not route.is_api and not route.path.endswith(("/live", ".csv"))
        if is_page and all(name in ids for name in route.parameters):
            found.append(route.url(world.acme))
    key = world.acme.form_key
    public = [
        f"/f/{key}",
        f"/f/{key}/frame",
        f"/f/{key}/thanks",
        f"/f/{key}/sample",
        f"/invite/{world.acme.invite_token}",
    ]
    ways = [
        "/o/acme/leads?status=archived",
        "/o/acme/leads?q=ada",
        "/o/acme/deliveries?state=delivered",
        "/help?q=form",
    ]
    return [*found, *public, *ways]


async def all_pages(world: World, person: Person) -> dict[str, httpx.Response]:
    """Address -> answer, of those that are HTML."""
    found = {}
    for path in addresses(world):
        answer = await person.web.get(path)
        if answer.headers.get("content-type", "").startswith("text/html"):
            found[path] = answer
    return found
