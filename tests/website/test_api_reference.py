"""`/docs` shows every operation of the API, and only with plain HTML."""

import httpx
from litestar import Litestar
from litestar.routes import HTTPRoute

from site2crm.website import reference

OF_THE_DOCUMENT = {"/api/v1", "/api/v1/openapi.json", "/api/v1/{path:str}"}
"""Where the framework serves the OpenAPI document itself."""


async def test_every_api_route_is_listed(app: Litestar, visitor: httpx.AsyncClient) -> None:
    html = (await visitor.get("/docs")).text
    routes = {
        f"{method} {route.path_format}"
        for route in app.routes
        if isinstance(route, HTTPRoute) and route.path.startswith("/api/v1/") and route.path not in OF_THE_DOCUMENT
        for handler in route.route_handlers
        if handler.include_in_schema is not False
        for method in handler.http_methods & {"GET", "POST", "PUT", "PATCH", "DELETE"}
    }

    assert len(routes) >= 6
    assert [route for route in sorted(routes) if f"<code>{route}</code>" not in html] == []


def test_an_operation_names_fields_type_and_right(app: Litestar) -> None:
    operations = {(o.method, o.path): o for group in reference.groups(app) for o in group.operations}
    create = operations["POST", "/api/v1/forms"]

    assert create.permission == "forms:write"
    assert {"name", "fields", "fields[].type"} <= {row.name for row in create.body}
    assert next(row for row in create.body if row.name == "name").required
    assert create.answers[0].status == "201"


def test_a_list_shows_what_its_rows_hold(app: Litestar) -> None:
    operations = {(o.method, o.path): o for group in reference.groups(app) for o in group.operations}
    rows = {row.name: row for row in operations["GET", "/api/v1/forms"].answers[0].rows}

    assert "data[].submit_url" in rows
    assert "page.next_cursor" in rows
    assert rows["data[].created_at"].type == "date-time"


async def test_it_needs_no_script_of_its_own(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.get("/docs")

    assert "'nonce-" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
