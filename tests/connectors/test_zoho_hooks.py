"""Zoho's channels: made, renewed by a new one, removed, and believed only with our token."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from site2crm.connectors.contract import CrmError, ErrorClass, Kind
from site2crm.connectors.hints import BadProof
from site2crm.connectors.zoho.hooks import ZohoHooks
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.connectors.zoho_cases import connection
from tests.fakes.playing import playing
from tests.fakes.zoho import ZohoFake

URL = "https://leads.example.com/hooks/con_1"
SECRET = "s" * 64
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


@pytest.fixture
async def fake() -> AsyncIterator[ZohoFake]:
    async with playing(ZohoFake()) as server:
        yield server


async def watch(fake: ZohoFake, url: str = URL) -> datetime | None:
    async with connection(fake) as (opened, _):
        return await ZohoHooks(opened).watch(url, SECRET)


async def test_a_channel_lives_almost_a_week(fake: ZohoFake) -> None:
    with clock.travel(NOW):
        ends = await watch(fake)
        [channel] = fake.channels.values()
    assert ends == NOW + timedelta(days=7) - timedelta(hours=1)
    assert channel["notify_url"] == URL
    assert len(channel["token"]) == 40
    assert channel["token"] not in SECRET


async def test_watching_again_adds_none_and_lives_longer(fake: ZohoFake) -> None:
    with clock.travel(NOW) as forward:
        await watch(fake)
        await watch(fake, "https://other.example.com/hooks/con_2")
        first = set(fake.channels)
        forward(86_400)
        ends = await watch(fake)
        ours = [id for id, one in fake.channels.items() if one["notify_url"] == URL]
    assert ends == NOW + timedelta(days=8) - timedelta(hours=1)
    assert len(ours) == 1
    assert len(first - set(fake.channels)) == 1


async def test_a_lapsed_channel_is_made_anew(fake: ZohoFake) -> None:
    with clock.travel(NOW) as forward:
        await watch(fake)
        forward(8 * 86_400)
        await watch(fake)
        assert len(fake.channels) == 1


async def test_no_channel_is_left_and_none_is_no_error(fake: ZohoFake) -> None:
    await watch(fake)
    async with connection(fake) as (opened, _):
        await ZohoHooks(opened).unwatch(URL)
        await ZohoHooks(opened).unwatch(URL)
    assert fake.channels == {}


async def test_an_address_that_zoho_refuses_is_named(fake: ZohoFake) -> None:
    with pytest.raises(CrmError) as refused:
        await watch(fake, "http://127.0.0.1:8080/hooks/con_1")
    assert (refused.value.kind, refused.value.field) == (ErrorClass.PERMANENT, "notify_url")


async def test_the_old_channel_stays_if_no_new_one_is_made(fake: ZohoFake) -> None:
    await watch(fake)
    fake.faults.append(Fault("status", status=500, method="POST", path="watch"))
    with pytest.raises(CrmError):
        await watch(fake)
    assert len(fake.channels) == 1


async def test_a_notice_tells_kind_id_and_moment(fake: ZohoFake) -> None:
    with clock.travel(NOW):
        await watch(fake)
        [deal] = fake.notice("Deals", "update", ["555", "556"])
        [person] = fake.notice("Contacts", "delete", ["557"])
    async with connection(fake) as (opened, _):
        hooks = ZohoHooks(opened)
        changes = [*hooks.parse({}, msgspec.json.encode(deal), url=URL, secret=SECRET),
                   *hooks.parse({}, msgspec.json.encode(person), url=URL, secret=SECRET)]  # fmt: skip
    assert changes == [
        (Kind.DEAL, "555", "upsert", NOW), (Kind.DEAL, "556", "upsert", NOW), (Kind.PERSON, "557", "delete", NOW)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'{"token": null}', b'{"token": "wrong", "module": "Deals", "ids": ["1"]}',
     b'{"token": "' + SECRET.encode() + b'"}', b'{"token": ["x"]}', b"[" * 100_000],
    ids=lambda body: body[:12].decode(),
)  # fmt: skip
async def test_without_our_token_nothing_is_believed(fake: ZohoFake, body: bytes) -> None:
    async with connection(fake) as (opened, _):
        with pytest.raises(BadProof):
            ZohoHooks(opened).parse({}, body, url=URL, secret=SECRET)


async def test_a_proven_body_that_is_none_of_zohos_is_a_value_error(fake: ZohoFake) -> None:
    await watch(fake)
    [channel] = fake.channels.values()
    async with connection(fake) as (opened, _):
        hooks = ZohoHooks(opened)
        with pytest.raises(ValueError, match="names no records"):
            hooks.parse({}, msgspec.json.encode({"token": channel["token"]}), url=URL, secret=SECRET)
        other = {"token": channel["token"], "module": "Invoices", "ids": ["1"]}
        assert hooks.parse({}, msgspec.json.encode(other), url=URL, secret=SECRET) == []
