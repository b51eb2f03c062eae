"""Webhooks of Pipedrive: made by its API, proved by a password."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from site2crm.connectors.contract import CrmError, ErrorClass, Kind
from site2crm.connectors.grants import Grant
from site2crm.connectors.hints import BadProof, Change
from site2crm.connectors.pipedrive.hooks import PipedriveHooks
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.connectors.connector_cases import Granted, context
from tests.connectors.pipedrive_cases import ACCOUNT, opened
from tests.fakes.pipedrive import TOKEN, PipedriveFake
from tests.fakes.playing import playing

URL = "https://crm.example.com/hooks/crm/con_1/x7"
SECRET = "s3cret-of-this-connection"


@pytest.fixture
async def fake() -> AsyncIterator[PipedriveFake]:
    async with playing(PipedriveFake()) as server:
        yield server


@pytest.fixture
async def hooks(fake: PipedriveFake) -> AsyncIterator[PipedriveHooks]:
    async with opened(fake) as (found, _):
        yield PipedriveHooks(found)


@pytest.fixture
async def reader() -> AsyncIterator[PipedriveHooks]:
    async with context(secrets={"token": TOKEN}, account=ACCOUNT) as (found, _):
        yield PipedriveHooks(found)


def objects(fake: PipedriveFake) -> list[tuple[str, str]]:
    return [(row["event_object"], row["subscription_url"]) for row in fake.webhooks.rows.values()]


def headers(password: str = SECRET, *, user: str = "site2crm") -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def body(**meta: Any) -> bytes:
    said = {"action": "change", "entity": "deal", "entity_id": "12", "user_id": "7", "change_source": "app",
            "timestamp": "2026-11-21T10:15:30.000Z", "version": "2.0", **meta}  # fmt: skip
    return json.dumps({"meta": said, "data": {"id": 12}, "previous": {}}).encode()


async def test_watching_again_adds_none(fake: PipedriveFake, hooks: PipedriveHooks) -> None:
    until = await hooks.watch(URL, SECRET)
    await hooks.watch(URL, SECRET)
    assert objects(fake) == [("deal", URL)]
    assert until is not None
    assert until - clock.now() <= timedelta(days=1)
    [first] = fake.webhooks.rows.values()
    assert (first["version"], first["http_auth_password"], first["event_action"]) == ("2.0", SECRET, "*")


@pytest.mark.parametrize("fault", [{"is_active": 0}, {"http_auth_password": "old"}, {"event_action": "create"}])
async def test_a_webhook_that_is_no_good_any_more_is_made_anew(
    fake: PipedriveFake, hooks: PipedriveHooks, fault: dict[str, Any]
) -> None:
    await hooks.watch(URL, SECRET)
    fake.webhooks.rows[1].update(fault)
    await hooks.watch(URL, SECRET)
    assert sorted(fake.webhooks.rows) == [2]


async def test_one_that_pipedrive_removed_is_made_anew(fake: PipedriveFake, hooks: PipedriveHooks) -> None:
    await hooks.watch(URL, SECRET)
    fake.webhooks.rows.clear()
    await hooks.watch(URL, SECRET)
    assert len(fake.webhooks.rows) == 1


async def test_unwatching_leaves_the_webhooks_of_others(fake: PipedriveFake, hooks: PipedriveHooks) -> None:
    await hooks.watch("https://other.example.com/hook", SECRET)
    await hooks.watch(URL, SECRET)
    await hooks.unwatch(URL)
    await hooks.unwatch(URL)
    assert {url for _, url in objects(fake)} == {"https://other.example.com/hook"}


async def test_an_address_that_pipedrive_cannot_reach_is_told(fake: PipedriveFake, hooks: PipedriveHooks) -> None:
    answer = {"success": False, "status": "error", "errors": {"subscription_url": ["is not reachable"]}}
    fake.faults.append(Fault("status", status=400, method="POST", body=answer))
    with pytest.raises(CrmError, match="subscription_url is not reachable") as error:
        await hooks.watch(URL, SECRET)
    assert error.value.kind is ErrorClass.PERMANENT


async def test_a_sign_in_without_the_scope_for_webhooks_is_told(fake: PipedriveFake) -> None:
    fake.oauth.scopes = ("base", "deals:full")
    grants = Granted(Grant(fake.oauth.issue()["access_token"]))
    async with opened(fake, secrets={}, grants=grants) as (found, _):
        with pytest.raises(CrmError, match="lacks the right admin") as error:
            await PipedriveHooks(found).watch(URL, SECRET)
    assert error.value.kind is ErrorClass.CONFIG


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({}, (Kind.DEAL, "12", "upsert")),
        ({"action": "create", "entity": "person", "entity_id": 5}, (Kind.PERSON, "5", "upsert")),
        ({"action": "delete", "entity": "organization"}, (Kind.COMPANY, "12", "delete")),
    ],
)
async def test_a_change_names_the_record(
    reader: PipedriveHooks, meta: dict[str, Any], expected: tuple[Kind, str, str]
) -> None:
    [change] = reader.parse(headers(), body(**meta), url=URL, secret=SECRET)
    assert (change.kind, change.id, change.op) == expected


@pytest.mark.parametrize(
    ("timestamp", "at"),
    [
        ("2026-11-21T10:15:30.000Z", datetime(2026, 11, 21, 10, 15, 30, tzinfo=UTC)),
        (1795256130, datetime.fromtimestamp(1795256130, UTC)),
        ("1795256130", datetime.fromtimestamp(1795256130, UTC)),
        (None, None),
        ("soon", None),
    ],
)
async def test_both_ways_of_telling_the_time_are_read(
    reader: PipedriveHooks, timestamp: object, at: datetime | None
) -> None:
    assert reader.parse(headers(), body(timestamp=timestamp), url=URL, secret=SECRET) == [
        Change(Kind.DEAL, "12", "upsert", at)
    ]


async def test_our_own_writes_are_no_news(reader: PipedriveHooks) -> None:
    assert not reader.parse(headers(), body(change_source="api", user_id="1"), url=URL, secret=SECRET)
    assert reader.parse(headers(), body(change_source="api", user_id="2"), url=URL, secret=SECRET)
    assert not reader.parse(headers(), body(entity="product"), url=URL, secret=SECRET)


@pytest.mark.parametrize(
    "given",
    [{}, {"authorization": ""}, headers("wrong"), headers(user="admin"), {"authorization": f"Bearer {SECRET}"},
     {"authorization": "Basic päss"}],
)  # fmt: skip
async def test_without_the_password_nothing_is_read(reader: PipedriveHooks, given: dict[str, str]) -> None:
    with pytest.raises(BadProof):
        reader.parse(given, b"not even json", url=URL, secret=SECRET)
    with pytest.raises(BadProof):
        reader.parse(headers(""), body(), url=URL, secret="")


@pytest.mark.parametrize("sent", [b"", b"{}", b"[]", b"<html>", b'{"meta":{"entity":"deal"}}', b'{"meta":5}'])
async def test_a_body_that_is_none_of_pipedrives_is_an_error(reader: PipedriveHooks, sent: bytes) -> None:
    with pytest.raises(ValueError, match="no webhook of Pipedrive"):
        reader.parse(headers(), sent, url=URL, secret=SECRET)
