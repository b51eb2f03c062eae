"""The outermost layer, on a whole instance."""

import logging

import httpx
import pytest

from tests import cast


async def test_the_log_names_the_route_and_never_the_token(
    nobody: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="site2crm.http"):
        await nobody.get("/setup/a-secret-token", headers={"Accept": "text/html"})
    written = [record.fields for record in caplog.records if getattr(record, "event", "") == "request"]
    assert [(fields["path"], fields["status"]) for fields in written] == [("/setup/{token}", 404)]
    assert "a-secret-token" not in caplog.text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "127.0.0.1:8080@evil.example", ""])
async def test_an_unknown_host_is_404(nobody: httpx.AsyncClient, host: str) -> None:
    answer = await nobody.get("/livez", headers={"Host": host})
    assert answer.status_code == 404


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "localhost", "[::1]:8080"])
async def test_loopback_names_are_served(nobody: httpx.AsyncClient, host: str) -> None:
    assert (await nobody.get("/livez", headers={"Host": host})).status_code == 200


async def test_head_has_the_headers_and_no_body(nobody: httpx.AsyncClient) -> None:
    answer = await nobody.head("/help")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_every_answer_has_an_id_and_the_safe_headers(nobody: httpx.AsyncClient) -> None:
    for path in ("/livez", "/nothing", "/api/v1/leads", "/f/nothing", "/static/nothing"):
        headers = (await nobody.get(path)).headers
        assert headers["x-request-id"].startswith("req_"), path
        assert headers["x-content-type-options"] == "nosniff", path
        assert "content-security-policy" in headers, path


async def test_https_is_said_to_stay(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("https")
    async with (
        cast.an_instance(folder, server__public_url="https://leads.acme.example") as instance,
        cast.client(instance) as visitor,
    ):
        answer = await visitor.get("/livez", headers={"Host": "leads.acme.example"})
    assert answer.headers["strict-transport-security"].startswith("max-age=")


async def test_a_browser_at_the_door_is_refused_with_a_page(nobody: httpx.AsyncClient) -> None:
    accept = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    wrong_host = await nobody.get("/login", headers={**accept, "Host": "203.0.113.7:8080"})
    other_site = await nobody.post("/login", headers={**accept, "Origin": "https://evil.example"})
    script = await nobody.get("/api/v1/leads", headers={**accept, "Host": "203.0.113.7:8080"})

    assert (wrong_host.status_code, wrong_host.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "[server] public_url" in wrong_host.text
    assert (other_site.status_code, other_site.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "from another website" in other_site.text
    assert (script.status_code, script.headers["content-type"]) == (404, "application/problem+json")
