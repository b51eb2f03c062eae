"""The custom CRM by signed webhook, verified with the reference library."""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from site2crm.connectors.contract import CrmError, ErrorClass, Written
from site2crm.connectors.webhook.connector import WebhookCrm
from site2crm.connectors.webhook.signing import key_of, new_secret, sign
from site2crm.demo.server import Answer, Fault
from tests.connectors.connector_cases import ada, context
from tests.fakes.webhook import WebhookFake

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
async def fake() -> AsyncIterator[WebhookFake]:
    server = WebhookFake(SECRET)
    await server.start()
    yield server
    await server.stop()


async def deliver(fake: WebhookFake, *, secret: str = SECRET, timeout_s: float = 5.0, **person: Any) -> Written:
    settings = {"url": f"{fake.url}/hooks/leads?x=1"}
    async with context(settings=settings, secrets={"secret": secret}, timeout_s=timeout_s) as (opened, _):
        [written] = await WebhookCrm(opened).upsert_people([ada(**person)])
    return written


async def test_a_lead_arrives_signed_with_its_ids(fake: WebhookFake) -> None:
    at = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
    written = await deliver(
        fake, at=at, fields={"email": "ada@example.com", "budget": Decimal("10.50"), "tags": ["a", "b"]}
    )
    assert (written.id, written.url, written.error) == ("rec-1", "https://crm.example.com/people/rec-1", None)
    data = {
        "email": "ada@example.com",
        "budget": "10.50",
        "tags": ["a", "b"],
        "lead_id": "led_1",
        "submission_id": "sub_1",
    }
    assert fake.received == [{"type": "lead.created", "timestamp": "2026-11-22T10:00:00.000Z", "data": data}]


async def test_every_attempt_carries_the_same_id(fake: WebhookFake) -> None:
    fake.faults.append(Fault("reset", effect=True))
    first, second = await deliver(fake), await deliver(fake)
    assert first.error is not None
    assert {r.headers["webhook-id"] for r in fake.requests} == {"dlv_1"}
    assert (second.id, list(fake.by_webhook_id)) == ("rec-1", ["dlv_1"])


async def test_the_wrong_secret_parks_the_connection(fake: WebhookFake) -> None:
    written = await deliver(fake, secret=new_secret())
    assert written.error is not None
    assert (written.error.kind, fake.received) == (ErrorClass.REAUTH, [])


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ErrorClass.PERMANENT), (404, ErrorClass.PERMANENT), (422, ErrorClass.PERMANENT), (413, ErrorClass.PERMANENT),
        (408, ErrorClass.RETRY), (409, ErrorClass.RETRY), (425, ErrorClass.RETRY), (500, ErrorClass.RETRY),
        (503, ErrorClass.RETRY), (429, ErrorClass.THROTTLE), (401, ErrorClass.REAUTH), (403, ErrorClass.CONFIG),
        (410, ErrorClass.CONFIG), (302, ErrorClass.CONFIG), (308, ErrorClass.CONFIG),
    ],
)  # fmt: skip
async def test_each_refusal_has_its_class_and_the_receivers_words(
    fake: WebhookFake, status: int, kind: ErrorClass
) -> None:
    fake.says = Answer(status, {"detail": "the reason"}, {"Retry-After": "7", "Location": "http://127.0.0.1:1/"})
    written = await deliver(fake)
    assert written.error is not None
    assert (written.error.kind, written.error.retry_after) == (kind, timedelta(seconds=7))
    assert ("redirect" if status in (302, 308) else "the reason") in written.error.text


@pytest.mark.parametrize("asked", ["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "nan", "soon", "-5"])
async def test_a_wait_that_nobody_can_read_is_none(fake: WebhookFake, asked: str) -> None:
    fake.says = Answer(503, {}, {"Retry-After": asked})
    written = await deliver(fake)
    assert written.error is not None
    assert (written.error.kind, written.error.retry_after) == (ErrorClass.RETRY, timedelta())


@pytest.mark.parametrize("kind", ["timeout", "reset", "half"])
async def test_a_lost_answer_is_tried_again(fake: WebhookFake, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("site2crm.connectors.webhook.connector.TIMEOUT_S", 0.5)
    fake.faults.append(Fault(kind, effect=True))
    written = await deliver(fake)
    assert written.error is not None
    assert written.error.kind is ErrorClass.RETRY


@pytest.mark.parametrize(
    "body", [b"", b"thanks", b"[]", b'{"id": null, "url": 5}', b'{"id": {"a": 1}}', b"\xff\xfe", b"x" * 200_000]
)
async def test_any_2xx_is_a_delivery_whatever_it_says(fake: WebhookFake, body: bytes) -> None:
    fake.says = Answer(202, body)
    written = await deliver(fake)
    assert (written.error, written.id, written.url) == (None, None, None)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//evil", "http://", "http://[", "ftp://x/"]
)
async def test_a_link_in_the_answer_is_a_web_link_or_none(fake: WebhookFake, url: str) -> None:
    fake.says = Answer(200, {"id": 7, "url": url})
    written = await deliver(fake)
    assert (written.id, written.url) == ("7", None)


async def test_verify_sends_a_signed_ping(fake: WebhookFake) -> None:
    async with context(settings={"url": fake.url}, secrets={"secret": SECRET}) as (opened, exchanges):
        account = await WebhookCrm(opened).verify()
    assert (account.name, fake.received[0]["type"]) == ("127.0.0.1", "ping")
    assert SECRET not in repr(exchanges)


async def test_verify_says_what_the_receiver_refuses(fake: WebhookFake) -> None:
    fake.says = Answer(410, {"message": "gone for good"})
    async with context(settings={"url": fake.url}, secrets={"secret": SECRET}) as (opened, _):
        with pytest.raises(CrmError, match="gone for good"):
            await WebhookCrm(opened).verify()


@pytest.mark.parametrize("url", ["http://10.1.2.3/hook", "http://169.254.169.254/latest", "http://[::ffff:10.0.0.1]/"])
async def test_a_private_receiver_is_refused_with_the_line_that_allows_it(url: str) -> None:
    async with context(settings={"url": url}, secrets={"secret": SECRET}) as (opened, exchanges):
        [written] = await WebhookCrm(opened).upsert_people([ada()])
    assert written.error is not None
    assert (written.error.kind, written.error.code) == (ErrorClass.CONFIG, "address_refused")
    assert "[outbound] allow_private = [" in written.error.text
    assert exchanges[0].error == written.error.text


@pytest.mark.parametrize(
    ("settings", "secret", "field"),
    [
        ({}, SECRET, "url"),
        ({"url": "ftp://crm.example.com/"}, SECRET, "url"),
        ({"url": "https://a:b@crm.example.com/"}, SECRET, "url"),
        ({"url": "https://crm.example.com/"}, "hunter2", "secret"),
        ({"url": "https://crm.example.com/"}, "whsec_c2hvcnQ=", "secret"),
        ({"url": "https://crm.example.com/"}, "whsec_" + base64.b64encode(bytes(65)).decode(), "secret"),
        ({"url": "https://crm.example.com/"}, "", "secret"),
    ],
)
async def test_wrong_settings_name_the_field(settings: dict[str, str], secret: str, field: str) -> None:
    async with context(settings=settings, secrets={"secret": secret}) as (opened, _):
        with pytest.raises(CrmError) as error:
            WebhookCrm(opened)
    assert (error.value.kind, error.value.field) == (ErrorClass.CONFIG, field)


def test_a_fresh_secret_is_a_secret() -> None:
    assert len(key_of(new_secret()) or b"") == 32


def test_the_published_vector_signs_the_same() -> None:
    key = key_of(SECRET)
    assert key is not None
    headers = sign(key, b'{"test": 2432232314}', id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
