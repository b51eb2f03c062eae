"""The website inside the whole product: its links answer, and `/docs` forgets no route."""

import httpx
from litestar.routes import HTTPRoute

from site2crm.app import Instance
from tests.architecture.test_routes import litestar_of
from tests.cast import Person
from tests.website.html import Page
from tests.website.test_api_reference import OF_THE_DOCUMENT
from tests.website.test_help_centre import PATHS

VERBS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


async def test_every_link_of_the_website_answers(nobody: httpx.AsyncClient) -> None:
    pages = [Page((await nobody.get(path)).text) for path in PATHS]
    links = {link.partition("#")[0] for page in pages for link in page.links if link.startswith("/")}

    answers = {link: (await nobody.get(link)).status_code for link in sorted(links)}
    assert {link: status for link, status in answers.items() if status != 200} == {}


async def test_every_route_of_the_api_is_in_the_reference(instance: Instance, nobody: httpx.AsyncClient) -> None:
    html = (await nobody.get("/docs")).text
    routes = {
        f"{method} {route.path_format}"
        for route in litestar_of(instance).routes
        if isinstance(route, HTTPRoute) and route.path.startswith("/api/v1/") and route.path not in OF_THE_DOCUMENT
        for handler in route.route_handlers
        for method in handler.http_methods & VERBS
    }

    assert [route for route in sorted(routes) if f"<code>{route}</code>" not in html] == []


async def test_anchors_of_the_reference_are_unique(nobody: httpx.AsyncClient) -> None:
    ids = Page((await nobody.get("/docs")).text).ids

    assert [name for name in ids if ids.count(name) > 1] == []


async def test_who_is_signed_in_lands_in_their_org(alice: Person) -> None:
    answer = await alice.web.get("/", follow_redirects=True)

    assert answer.status_code == 200
    assert answer.url.path == f"/o/{alice.org.slug}/"


async def test_an_error_of_the_api_names_a_page_that_explains_it(nobody: httpx.AsyncClient) -> None:
    problem = (await nobody.get("/api/v1/forms")).json()

    page = Page((await nobody.get(problem["type"])).text)
    assert problem["type"].partition("#")[2] in page.ids
