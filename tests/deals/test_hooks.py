"""A CRM says that something changed: whoever cannot prove it is refused, and nothing that it says is believed."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from site2crm.app import Instance
from site2crm.connectors.contract import Context, CrmError, ErrorClass, Kind
from site2crm.connectors.hints import BadProof, Change
from site2crm.connectors.registry import KINDS
from site2crm.deals import feeds, hooks, syncing
from site2crm.kit import clock
from tests import cast
from tests.cast import Person
from tests.deals.conftest import Floor

PROOF = b"the app's own secret"
LIFE = timedelta(days=7)


class Watched:
    """An invented vendor: hooks that lapse, and a proof over the bytes as they came."""

    calls: list[str] = []  # noqa: RUF012 - what the invented vendor was asked, for the test
    fails = False

    def __init__(self, context: Context) -> None:
        self._context = context

    async def watch(self, url: str, secret: str) -> datetime | None:
        if self.fails:
            raise CrmError(ErrorClass.CONFIG, "Hooks are not in this plan.")
        self.calls.append(url)
        assert url.endswith(f"/{secret}")
        return clock.now() + LIFE

    async def unwatch(self, url: str) -> None:
        raise AssertionError("not asked for")

    def parse(self, headers: Mapping[str, str], body: bytes, *, url: str, secret: str) -> Sequence[Change]:
        if not hmac.compare_digest(headers.get("x-proof", ""), proof(body)):
            raise BadProof
        return [Change(Kind.DEAL, str(one["id"]), "upsert", None) for one in json.loads(body)]


def proof(body: bytes) -> str:
    return hmac.new(PROOF, body, hashlib.sha256).hexdigest()


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> type[Watched]:
    known = KINDS["hubspot"]
    caps = replace(known.caps, hooks="api", hook_max_age=LIFE)
    monkeypatch.setitem(KINDS, "hubspot", replace(known, caps=caps, hooks=Watched))
    monkeypatch.setattr(Watched, "calls", [])
    return Watched


async def address(floor: Floor) -> str:
    feed = await floor.feed()
    return f"/hooks/{floor.connection_id}/{hooks.secret_of(floor.machine, feed)}"


def hint(*ids: str) -> dict[str, Any]:
    body = json.dumps([{"id": id} for id in ids]).encode()
    return {"content": body, "headers": {"X-Proof": proof(body)}}


@pytest.fixture
async def vendor(instance: Instance) -> httpx.AsyncClient:
    return cast.client(instance)


async def test_a_hint_reads_the_record_anew_and_soon(
    watched: type[Watched], floor: Floor, vendor: httpx.AsyncClient
) -> None:
    await floor.read()
    new = floor.deal("Told of")
    with clock.travel(clock.now()) as forward:
        forward(feeds.REST.total_seconds())
        answer = await vendor.post(await address(floor), **hint(new))
        assert (answer.status_code, answer.content) == (204, b"")
        assert await floor.deals() == []
        forward(feeds.SOON.total_seconds())
        await floor.office.work()
        assert [deal.title for deal in await floor.deals()] == ["Told of"]


async def test_a_flood_of_hints_is_one_reading(watched: type[Watched], floor: Floor, vendor: httpx.AsyncClient) -> None:
    await floor.read()
    floor.fake.requests.clear()
    with clock.travel(clock.now()) as forward:
        for _ in range(30):
            assert (await vendor.post(await address(floor), **hint("1"))).status_code == 204
        forward(feeds.REST.total_seconds())
        await floor.office.work()
        await floor.office.work()
    assert sum(request.path.endswith("/deals/search") for request in floor.fake.requests) == 1


async def test_a_hint_that_comes_while_a_reading_ends_is_read_after_a_rest(
    watched: type[Watched], floor: Floor, vendor: httpx.AsyncClient
) -> None:
    """The call was begun before, and its body comes after."""
    await floor.look()
    said = hint("1")

    async def body() -> AsyncIterator[bytes]:
        assert await syncing.read(floor.machine, floor.org_id, floor.connection_id) is False
        floor.deal("Told of")
        yield said["content"]

    with clock.travel(clock.now()) as forward:
        answer = await vendor.post(await address(floor), content=body(), headers=said["headers"])
        assert answer.status_code == 204
        forward(feeds.REST.total_seconds())
        await floor.office.work()
    assert [deal.title for deal in await floor.deals()] == ["Told of"]


async def test_without_the_proof_or_the_address_nothing_happens(
    watched: type[Watched], floor: Floor, vendor: httpx.AsyncClient
) -> None:
    await floor.read()
    place = await address(floor)
    wrong = {"content": b"[]", "headers": {"X-Proof": "wrong"}}
    assert (await vendor.post(place, **wrong)).status_code == 403
    assert (await vendor.post(place, content=b"[]")).status_code == 403
    assert (await vendor.post(place[:-1] + ("A" if place[-1] != "A" else "B"), **hint("1"))).status_code == 404
    assert (await vendor.post("/hooks/con_unknown/secret", **hint("1"))).status_code == 404
    assert (await vendor.post(f"/hooks/{floor.connection_id}", **hint("1"))).status_code == 404
    assert (await floor.feed()).hinted_at is None


@pytest.mark.parametrize("body", [b"", b"not json", b'{"a": 1}', b"[1]", b"[{}]", b"\xff\xfe"])
async def test_what_no_crm_sends_is_refused_and_told(
    watched: type[Watched], floor: Floor, vendor: httpx.AsyncClient, body: bytes
) -> None:
    await floor.read()
    answer = await vendor.post(await address(floor), content=body, headers={"X-Proof": proof(body)})
    assert answer.status_code == 400


async def test_a_hook_that_is_too_long_is_not_read(
    watched: type[Watched], floor: Floor, vendor: httpx.AsyncClient
) -> None:
    await floor.read()
    body = b" " * (hooks.MOST_BYTES + 1)
    answer = await vendor.post(await address(floor), content=body, headers={"X-Proof": proof(body)})
    assert answer.status_code == 413


async def test_a_hook_that_is_made_by_hand_is_shown_to_admins(
    monkeypatch: pytest.MonkeyPatch, floor: Floor, alice: Person, bob: Person
) -> None:
    caps = replace(KINDS["hubspot"].caps, hooks="manual")
    monkeypatch.setitem(KINDS, "hubspot", replace(KINDS["hubspot"], caps=caps, hooks=Watched))
    await floor.read()
    place = await address(floor)
    assert place in (await alice.web.get(f"/o/acme/crms/{floor.connection_id}")).text
    assert place not in (await bob.web.get(f"/o/acme/crms/{floor.connection_id}")).text


async def test_a_crm_that_waits_for_a_receipt_gets_it_also_when_nothing_changed(
    watched: type[Watched], monkeypatch: pytest.MonkeyPatch, floor: Floor, vendor: httpx.AsyncClient
) -> None:
    receipt = ("text/xml", "<ok/>")
    monkeypatch.setitem(KINDS, "hubspot", replace(KINDS["hubspot"], hook_receipt=lambda body: receipt))
    await floor.read()
    for ids in (["1"], []):
        answer = await vendor.post(await address(floor), **hint(*ids))
        assert (answer.status_code, answer.text, answer.headers["content-type"]) == (
            200,
            "<ok/>",
            "text/xml; charset=utf-8",
        )


async def test_a_kind_without_hooks_has_no_address(floor: Floor, vendor: httpx.AsyncClient) -> None:
    await floor.read()
    assert (await vendor.post(await address(floor), **hint("1"))).status_code == 404


async def test_hooks_are_made_and_renewed_before_they_lapse(
    watched: type[Watched], floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(floor.machine), "url", lambda self, path: f"https://app.example.com{path}")
    with clock.travel(clock.now()) as forward:
        await floor.look()
        await floor.look()
        await floor.office.work()
        assert len(watched.calls) == 1
        forward(LIFE.total_seconds() * 0.7)
        await floor.look()
        await floor.office.work()
        assert len(watched.calls) == 1
        forward(LIFE.total_seconds() * 0.1)
        await floor.look()
        await floor.office.work()
    assert len(watched.calls) == 2
    assert watched.calls[0].startswith(f"https://app.example.com/hooks/{floor.connection_id}/")


async def test_hooks_are_made_anew_when_the_clock_was_put_back(
    watched: type[Watched], floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(floor.machine), "url", lambda self, path: f"https://app.example.com{path}")
    now, calls = clock.now(), list[int]()
    for moment in (now + timedelta(days=400), now, now):
        with clock.travel(moment):
            await floor.look()
            await floor.look()
            await floor.office.work()
        calls.append(len(watched.calls))
    assert calls == [1, 2, 2]


async def test_hooks_that_cannot_be_made_are_tried_later_and_polling_goes_on(
    watched: type[Watched], floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(floor.machine), "url", lambda self, path: f"https://app.example.com{path}")
    monkeypatch.setattr(watched, "fails", True)
    floor.deal()
    await floor.look()
    await floor.office.work()
    feed = await floor.feed()
    assert (feed.hook_error, len(await floor.deals())) == ("Hooks are not in this plan.", 1)
    assert feed.hook_due_at is not None
    assert feed.hook_due_at > clock.now()


async def test_a_bug_of_ours_leaves_no_address_of_a_hook_in_the_log(
    watched: type[Watched],
    floor: Floor,
    vendor: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def parse(*_: object, **__: object) -> Sequence[Change]:
        raise ZeroDivisionError

    await floor.read()
    monkeypatch.setattr(watched, "parse", parse)
    path = await address(floor)
    assert (await vendor.post(path, **hint("1"))).status_code == 500
    [failed] = [record for record in caplog.records if record.message == "request.failed"]
    assert path.rpartition("/")[2] not in str(vars(failed))
    assert "/hooks/{connection_id" in str(vars(failed))
