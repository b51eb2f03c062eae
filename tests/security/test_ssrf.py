"""A CRM's address that leads inside is refused wherever it can be entered; a server on loopback hears nothing."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from site2crm.accounts.permissions import Role
from site2crm.demo.server import Answer, FakeServer, Request
from tests import cast
from tests.cast import Cast, Person
from tests.core.url_forms import LOOPBACK_FORMS
from tests.fakes.webhook import WebhookFake

SECRET = "whsec_c2VjcmV0Y2FuYXJ5c2VjcmV0Y2FuYXJ5c2VjcmV0Y2E="
NEEDS_A_NAME_SERVICE = ".example.com"
WITH_A_LINE = {
    "127.0.0.1": "127.0.0.1",
    "localhost": "localhost",
    "[::1]": "::1",
    "[::ffff:127.0.0.1]": "127.0.0.1",
    "169.254.169.254": "169.254.169.254",
    "10.0.0.1": "10.0.0.0/8",
    "192.168.1.1": "192.168.0.0/16",
}


class Sentinel(FakeServer):
    """Nobody may call."""

    def answer(self, request: Request) -> Answer:
        return Answer(200, {"id": "1"})


class Redirecting(FakeServer):
    """Sends everybody on."""

    to = ""

    def answer(self, request: Request) -> Answer:
        return Answer(302, b"", {"Location": self.to})


@pytest.fixture
async def sentinel() -> AsyncIterator[Sentinel]:
    server = Sentinel()
    await server.start()
    yield server
    assert list(server.requests) == []
    await server.stop()


def webhook(url: str) -> dict[str, object]:
    return {"kind": "webhook", "settings": {"url": url, "secret": SECRET}}


async def test_no_form_of_a_private_address_is_taken(alice: Person, sentinel: Sentinel) -> None:
    """By the API with and without a test, and by the page."""
    wrong = []
    for host in LOOPBACK_FORMS:
        if NEEDS_A_NAME_SERVICE in host:
            continue
        url = f"http://{host}:{sentinel.port}/in"
        answers = [
            await alice.api.post("/api/v1/connections", json=webhook(url)),
            await alice.api.post("/api/v1/connections?test=false", json=webhook(url)),
            await alice.web.post("/o/acme/crms/new/webhook", data={"settings.url": url, "settings.secret": SECRET}),
        ]
        statuses = [answer.status_code for answer in answers]
        if statuses not in ([422, 422, 422],) and host not in {"metadata"}:
            wrong.append(f"{host}: {statuses} {answers[0].text[:150]}")
    assert wrong == []


@pytest.mark.parametrize(("host", "entry"), WITH_A_LINE.items())
async def test_the_refusal_prints_the_line_that_would_allow_it(
    alice: Person, sentinel: Sentinel, host: str, entry: str
) -> None:
    answer = await alice.api.post("/api/v1/connections", json=webhook(f"http://{host}:{sentinel.port}/in"))
    [refused] = answer.json()["errors"]
    assert refused["field"] == "settings.url"
    assert '[outbound] allow_private = ["' in refused["message"]
    assert entry in refused["message"].partition("allow_private")[2]


async def test_the_line_that_was_printed_allows_it(tmp_path: Path, sentinel: Sentinel) -> None:
    receiver = WebhookFake(SECRET)
    await receiver.start()
    async with cast.an_instance(tmp_path / "closed") as closed, AsyncExitStack() as stack:
        alice = await Cast(closed, stack).person("alice", Role.OWNER, "acme")
        refused = await alice.api.post("/api/v1/connections", json=webhook(f"{receiver.url}/in"))
    entries = refused.json()["detail"].partition("allow_private = ")[2]
    async with (
        cast.an_instance(tmp_path / "open", outbound__allow_private=entries) as opened,
        AsyncExitStack() as stack,
    ):
        alice = await Cast(opened, stack).person("alice", Role.OWNER, "acme")
        made = await alice.api.post("/api/v1/connections", json=webhook(f"{receiver.url}/in"))
    assert (made.status_code, made.json()["state"]) == (201, "active"), made.text
    assert len(receiver.received) == 1
    await receiver.stop()


async def test_a_change_of_address_is_checked_like_a_new_one(alice: Person, sentinel: Sentinel) -> None:
    made = await alice.api.post("/api/v1/connections?test=false", json=webhook("https://crm.example.com/in"))
    path = f"/api/v1/connections/{made.json()['id']}"
    url = f"http://127.0.0.1:{sentinel.port}/in"
    changed = await alice.api.patch(path, json={"settings": {"url": url}})
    page = await alice.web.post(f"/o/acme/crms/{made.json()['id']}/reconnect", data={"settings.url": url})
    assert (changed.status_code, page.status_code) == (422, 422)
    assert "allow_private" in changed.text
    assert (await alice.api.get(path)).json()["settings"]["url"] == "https://crm.example.com/in"


@pytest.mark.parametrize("host", ["127.0.0.2", "169.254.169.254", "[::1]", "localhost"])
async def test_a_redirect_is_not_followed_inside(tmp_path: Path, sentinel: Sentinel, host: str) -> None:
    """The receiver may be allowed; where it sends us is not, and is not asked."""
    redirecting = Redirecting()
    await redirecting.start()
    redirecting.to = f"http://{host}:{sentinel.port}/in"
    async with (
        cast.an_instance(tmp_path, outbound__allow_private='["127.0.0.1"]') as instance,
        AsyncExitStack() as stack,
    ):
        alice = await Cast(instance, stack).person("alice", Role.OWNER, "acme")
        made = await alice.api.post("/api/v1/connections", json=webhook(f"{redirecting.url}/in"))
    assert made.status_code == 422
    assert "redirect" in made.json()["errors"][0]["message"]
    await redirecting.stop()


@pytest.mark.parametrize(
    "scheme", ["file:///etc/passwd", "gopher://127.0.0.1/", "ftp://example.com/", "//127.0.0.1/", "javascript:1", "x"]
)
async def test_only_the_web_can_be_called(alice: Person, scheme: str) -> None:
    answer = await alice.api.post("/api/v1/connections", json=webhook(scheme))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "settings.url"


async def test_a_token_cannot_choose_the_host(alice: Person, sentinel: Sentinel) -> None:
    """The vendor's address comes from the configuration: a body cannot name another."""
    for extra in ({"base_url": sentinel.url}, {"host": sentinel.url}, {"url": sentinel.url}):
        body = {"kind": "hubspot", "settings": {"token": "pat-na1-x", **extra}}
        assert (await alice.api.post("/api/v1/connections?test=false", json=body)).status_code == 422
