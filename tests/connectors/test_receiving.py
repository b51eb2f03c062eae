"""Records that a custom CRM sends us: proven, read with care, and taken once."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from site2crm.app import Instance
from site2crm.connectors.contract import Act
from site2crm.connectors.hints import BadProof
from site2crm.connectors.pushing import Contact, Push
from site2crm.connectors.registry import KINDS
from site2crm.connectors.sales import Money, Status
from site2crm.connectors.webhook import pushed, signing
from site2crm.core import resources
from site2crm.core.errors import Invalid
from site2crm.demo.server import Answer, FakeServer, Request
from site2crm.kit import clock
from tests import cast
from tests.cast import Person

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
SAMPLE = resources.templates() / "help" / "samples" / "push.py"
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
ADDRESS = {"kind": "webhook", "settings": {"url": "https://crm.example.com/", "secret": SECRET}}


@pytest.fixture
async def visitor(instance: Instance) -> AsyncIterator[httpx.AsyncClient]:
    async with cast.client(instance) as opened:
        yield opened


@pytest.fixture
async def path(alice: Person) -> str:
    answer = await alice.api.post("/api/v1/connections?test=false", json=ADDRESS)
    assert answer.status_code == 201, answer.text
    return f"/hooks/{answer.json()['id']}/records"


def id_in(path: str) -> str:
    return path.split("/")[2]


def signed(body: bytes, *, id: str = "msg_1", secret: str = SECRET, at: datetime | None = None) -> dict[str, str]:
    """As the reference library signs."""
    sent = at or clock.now()
    signature = Webhook(secret).sign(id, sent, body.decode())
    return {"webhook-id": id, "webhook-timestamp": str(int(sent.timestamp())), "webhook-signature": signature}


def read(message: dict[str, Any] | bytes, **given: Any) -> pushed.Pushed:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    with clock.travel(NOW):
        return pushed.read(Push(signed(body, **given), body, {"secret": SECRET}))


def sign(body: bytes) -> dict[str, str]:
    """Of bytes that are no text."""
    key = signing.key_of(SECRET)
    assert key is not None
    return signing.sign(key, body, id="msg_1", timestamp=int(clock.unix()))


async def push(visitor: httpx.AsyncClient, path: str, message: Any, **given: Any) -> httpx.Response:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return await visitor.post(path, content=body, headers=signed(body, **given))


async def test_a_message_is_taken_once_however_often_it_comes(visitor: httpx.AsyncClient, path: str) -> None:
    message = {"contacts": [{"id": "7"}], "deals": [{"id": "1", "title": "Offer"}]}
    first, again = await push(visitor, path, message), await push(visitor, path, message)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == {"contacts": 1, "deals": 1, "activities": 0, "repeated": False}
    assert again.json() == {"contacts": 1, "deals": 1, "activities": 0, "repeated": True}


async def test_an_id_with_another_body_is_a_conflict(visitor: httpx.AsyncClient, path: str) -> None:
    await push(visitor, path, {"deals": [{"id": "1", "title": "Offer"}]})
    answer = await push(visitor, path, {"deals": [{"id": "1", "title": "Another"}]})
    assert (answer.status_code, "new id" in answer.json()["detail"]) == (409, True)


async def test_the_same_id_of_two_connections_is_two_messages(
    visitor: httpx.AsyncClient, path: str, alice: Person
) -> None:
    other = (await alice.api.post("/api/v1/connections?test=false", json=ADDRESS)).json()["id"]
    await push(visitor, path, {})
    assert (await push(visitor, f"/hooks/{other}/records", {})).json()["repeated"] is False


async def test_the_page_of_the_connection_tells_the_address(path: str, alice: Person) -> None:
    page = await alice.web.get(f"/o/{alice.org.slug}/crms/{id_in(path)}")
    assert f'value="{cast.BASE}{path}"' in page.text
    assert "/help/custom-crm-records" in page.text


@pytest.mark.parametrize("state", ["pause", "resume"])
async def test_a_stopped_connection_takes_records_too(
    visitor: httpx.AsyncClient, path: str, alice: Person, state: str
) -> None:
    id = id_in(path)
    assert (await alice.api.post(f"/api/v1/connections/{id}/{state}")).status_code < 300
    assert (await push(visitor, path, {})).status_code == 200


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"webhook-signature": ""}, "Send the headers"),
        ({"webhook-id": ""}, "Send the headers"),
        ({"webhook-id": "x" * 201}, "Send the headers"),
        ({"webhook-timestamp": "now"}, "whole Unix seconds"),
        ({"webhook-timestamp": "9" * 40}, "whole Unix seconds"),
        ({"webhook-timestamp": "1795342800"}, "webhook-signature is not right"),
        ({"webhook-id": "msg_2"}, "webhook-signature is not right"),
        ({"webhook-signature": "v1,AAAA v1a,x"}, "webhook-signature is not right"),
    ],
)
async def test_what_proves_nothing_is_refused_with_what_to_do(
    visitor: httpx.AsyncClient, path: str, headers: dict[str, str], words: str
) -> None:
    answer = await visitor.post(path, content=b"{}", headers={**signed(b"{}"), **headers})
    told = answer.json()
    assert (answer.status_code, told["code"]) == (401, "bad_signature")
    assert words in told["detail"]


async def test_another_secret_and_a_changed_body_are_refused(visitor: httpx.AsyncClient, path: str) -> None:
    stranger = await push(visitor, path, {}, secret=OTHER)
    changed = await visitor.post(path, content=b'{"deals":[]} ', headers=signed(b'{"deals":[]}'))
    assert (stranger.status_code, changed.status_code) == (401, 401)


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_an_old_signature_and_one_of_the_future_are_refused(
    visitor: httpx.AsyncClient, path: str, minutes: int
) -> None:
    answer = await push(visitor, path, {}, at=clock.now() + timedelta(minutes=minutes))
    assert (answer.status_code, "from our clock" in answer.json()["detail"]) == (401, True)


async def test_one_right_signature_among_several_is_enough(visitor: httpx.AsyncClient, path: str) -> None:
    headers = signed(b"{}")
    headers["webhook-signature"] = f"v1,AAAA {headers['webhook-signature']} v1a,BBBB"
    assert (await visitor.post(path, content=b"{}", headers=headers)).status_code == 200


async def test_only_a_custom_crm_that_is_there_takes_records(
    visitor: httpx.AsyncClient, path: str, alice: Person
) -> None:
    inbox = (await alice.api.post("/api/v1/connections", json={"kind": "inbox"})).json()["id"]
    unknown = [f"/hooks/{id}/records" for id in (inbox, "con_nobody", "con_%00")]
    assert [(await push(visitor, each, {})).status_code for each in unknown] == [404, 404, 404]
    await alice.api.delete(f"/api/v1/connections/{id_in(path)}")
    assert (await push(visitor, path, {})).status_code == 404


async def test_a_message_that_is_too_large_is_refused(visitor: httpx.AsyncClient, path: str) -> None:
    assert (await push(visitor, path, b" " * 1_000_001)).status_code == 413


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (b"", 400), (b"{", 400), (b"<html>", 400), (b'{"deals": [] ', 400), (b'{"contacts": [{"id": "\\ud800"}]}', 400),
        (b"[" * 5000, 422), (b"[]", 422), (b'{"deals": [{"id": "\\u0000", "title": ""}]}', 422),
    ],
)  # fmt: skip
async def test_what_cannot_be_read_is_the_senders_fault(
    visitor: httpx.AsyncClient, path: str, message: bytes, status: int
) -> None:
    assert (await push(visitor, path, message)).status_code == status


@pytest.mark.parametrize(
    "message",
    [
        b'{"deals":' + b"[" * 400_000,
        b'{"deals":' + b'{"a":' * 150_000,
        b'{"deals": [' + b",".join([b'{"id":"1","title":"x"}'] * 10_000) + b"]}",
        b'{"deals": [{"id": "1", "title": "x", "amount": 1e999999999}]}',
        b'{"deals": [{"id": "1", "title": "x", "amount": "1e-999999999999999999"}]}',
        b'{"deals": [{"id": "1", "title": "x", "amount": ' + b"9" * 500_000 + b"}]}",
        b'{"activities": [{"id": "1", "kind": "call", "at": "2026-11-22T10:00:00Z", "seconds": 1e400}]}',
        b'{"contacts": [{"id": "1", "id": ["2"]}]}',
        b'\xef\xbb\xbf{"deals": []}',
        b'{"deals": [{"id": "\xff", "title": "x"}]}',
        b'{"deals": [{"id": "1", "title": "x", "url": "https://a.example/\x00"}]}',
        b'{"deals": [{"id": "1", "title": "x", "contacts": ' + b'["1"' + b',"1"' * 100_000 + b"]}]}",
    ],
    ids=lambda message: message[:40].decode("utf-8", "replace"),
)
async def test_no_signed_message_is_too_strange(visitor: httpx.AsyncClient, path: str, message: bytes) -> None:
    """Whoever has the secret may be careless, or somebody else."""
    answer = await visitor.post(path, content=message, headers=sign(message))
    assert answer.status_code in (400, 422), answer.text
    assert len(answer.content) < 5_000


@pytest.mark.parametrize("url", ["https://crm.example.com/1\n", "https://crm.example.com/1\r\nX: y", "https://\t"])
async def test_an_address_is_one_line(visitor: httpx.AsyncClient, path: str, url: str) -> None:
    answer = await push(visitor, path, {"deals": [{"id": "1", "title": "x", "url": url}]})
    assert answer.json()["errors"][0]["field"] == "deals[0].url"


async def test_a_message_that_was_taken_is_not_taken_again_after_its_signature_has_aged(
    visitor: httpx.AsyncClient, path: str
) -> None:
    body = b'{"deals": []}'
    headers = signed(body)
    assert (await visitor.post(path, content=body, headers=headers)).json()["repeated"] is False
    for minutes, status in ((4, 200), (6, 401)):
        with clock.travel(clock.now() + timedelta(minutes=minutes)):
            answer = await visitor.post(path, content=body, headers=headers)
        assert (answer.status_code, answer.json().get("repeated", True)) == (status, True)


async def test_a_wrong_field_is_named_with_its_cure(visitor: httpx.AsyncClient, path: str) -> None:
    answer = await push(
        visitor, path, {"deals": [{"id": "1", "title": "a"}, {"id": "2", "title": "b", "currency": "€"}]}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "deals[1].currency", "message": "Write the three capital letters of ISO 4217, such as EUR."}
    ]


DEAL = {"id": "1", "title": "Offer"}


@pytest.mark.parametrize(
    ("message", "field", "words"),
    [
        ({"deals": [{"title": "x"}]}, "deals[0].id", "needed"),
        ({"deals": [{"id": "", "title": "x"}]}, "deals[0].id", "needed"),
        ({"deals": [{"id": 1, "title": "x"}]}, "deals[0].id", "Expected `str`"),
        ({"deals": [{**DEAL, "colour": "red"}]}, "deals[0].colour", "no such field"),
        ({"deal": []}, "deal", "no such field"),
        ({"deals": [{**DEAL, "amount": "a lot"}]}, "deals[0].amount", "1500.00"),
        ({"deals": [{**DEAL, "amount": "NaN"}]}, "deals[0].amount", "1500.00"),
        ({"deals": [{**DEAL, "amount": "1e300"}]}, "deals[0].amount", "1500.00"),
        ({"deals": [{**DEAL, "amount": "1e-99999999"}]}, "deals[0].amount", "1500.00"),
        ({"deals": [{**DEAL, "status": "maybe"}]}, "deals[0].status", "open, won, lost, deleted"),
        ({"deals": [{**DEAL, "closed_at": "2026-11-22T10:00:00"}]}, "deals[0].closed_at", "with its zone"),
        ({"deals": [{**DEAL, "close": "tomorrow"}]}, "deals[0].close", "2026-12-31"),
        ({"deals": [{**DEAL, "url": "javascript:alert(1)"}]}, "deals[0].url", "https://"),
        ({"deals": [{"id": "1", "title": "x" * 501}]}, "deals[0].title", "At most 500 characters"),
        ({"deals": [DEAL] * 1001}, "deals", "At most 1,000 in one message"),
        ({"activities": [{"id": "1", "kind": "lunch", "at": "2026-11-22T10:00:00Z"}]}, "activities[0].kind", "call, email"),
        ({"activities": [{"id": "1", "kind": "call", "at": "2026-11-22T10:00:00Z", "seconds": -1}]},
         "activities[0].seconds", "whole seconds"),
        ({"activities": [{"id": "1", "kind": "call", "at": "9999-12-31T23:59:59-12:00"}]}, "body", "calendar"),
        ({"deals": [{**DEAL, "closed_at": "9999-12-31T00:00:00Z"}]}, "body", "1970 to 9998"),
        ({"directory": {"owners": []}}, "directory.pipelines", "needed"),
        ({"contacts": {"id": "1"}}, "contacts", "Expected `array`"),
    ],
)  # fmt: skip
def test_every_mistake_has_its_place_and_its_cure(message: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(message)
    [error] = refused.value.errors
    assert error.field == field
    assert words in error.message


def test_a_deal_is_read_with_all_that_was_said() -> None:
    told = {"id": "d1", "title": "Offer", "status": "won", "amount": "1500.50", "currency": "EUR", "pipeline": "p",
            "stage": "s", "owner": "o", "contacts": ["7"], "close": "2026-12-31", "url": "https://crm.example.com/d1",
            "created_at": "2026-11-01T09:00:00+01:00", "updated_at": "2026-11-21T00:00:00Z",
            "closed_at": "2026-11-20T00:00:00Z"}  # fmt: skip
    [deal] = read({"deals": [told]}).deals
    assert (deal.id, deal.status, deal.value) == ("d1", Status.WON, Money(Decimal("1500.50"), "EUR"))
    assert (deal.pipeline, deal.stage, deal.owner, deal.people) == ("p", "s", "o", ["7"])
    assert (deal.created_at, deal.close) == (datetime(2026, 11, 1, 8, tzinfo=UTC), date(2026, 12, 31))
    assert deal.closed_at == datetime(2026, 11, 20, tzinfo=UTC)


def test_what_was_not_said_is_of_the_time_of_sending() -> None:
    found = read({"deals": [{"id": "1", "title": "Offer", "amount": 12.5}]})
    [deal] = found.deals
    assert (deal.created_at, deal.updated_at, deal.status) == (NOW, NOW, Status.OPEN)
    assert deal.value == Money(Decimal("12.5"), None)
    assert (found.id, found.at, found.directory, found.people) == ("msg_1", NOW, None, [])


def test_contacts_activities_and_the_directory_are_read() -> None:
    stages = [{"id": "s2", "label": "Won", "status": "won"}, {"id": "s1", "label": "New", "order": 0}]
    found = read(
        {
            "contacts": [{"id": "7", "lead_id": "led_1", "email": "ada@example.com"}, {"id": "8", "deleted": True}],
            "directory": {
                "owners": [{"id": "o", "name": "Sam"}],
                "pipelines": [{"id": "p", "label": "Sales", "stages": stages}],
            },
            "activities": [{"id": "a", "kind": "call", "at": "2026-11-22T09:00:00Z", "seconds": 90, "contacts": ["7"]}],
        }
    )
    assert found.people == [Contact("7", "led_1", "ada@example.com"), Contact("8", deleted=True)]
    assert found.directory is not None
    assert [owner.name for owner in found.directory.owners] == ["Sam"]
    assert [(s.id, s.order, s.status) for s in found.directory.pipelines[0].stages] == [
        ("s2", 0, Status.WON), ("s1", 0, None)]  # fmt: skip
    [call] = found.activities
    assert (call.kind, call.seconds, call.done, call.people) == (Act.CALL, 90, True, ["7"])


def test_a_connection_without_a_secret_takes_nothing() -> None:
    with pytest.raises(BadProof):
        pushed.read(Push(signed(b"{}"), b"{}", {}))


def test_a_kind_that_pushes_says_so() -> None:
    assert all(kind.caps.pushes == (kind.reads_push is not None) for kind in KINDS.values())


async def test_the_sample_of_the_help_is_understood() -> None:
    receiver = Receiver()
    await receiver.start()
    source, _, _ = SAMPLE.read_text().rpartition("\nsend(")
    space: dict[str, Any] = {}
    exec(source, space)  # the help's own text
    try:
        await asyncio.to_thread(space["send"], receiver.url, SECRET, space["message"], "msg_1")
    finally:
        await receiver.stop()
    [request] = receiver.requests
    found = pushed.read(Push(request.headers, request.body, {"secret": SECRET}))
    assert (found.id, found.deals[0].status, found.people[0].id) == ("msg_1", Status.WON, found.deals[0].people[0])
    assert found.activities[0].kind is Act.CALL


class Receiver(FakeServer):
    def answer(self, request: Request) -> Answer:
        return Answer(200, {})
