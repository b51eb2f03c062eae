"""Hooks of each kind that has them, as somebody forges them who knows how they look, and has hooks of their own."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from site2crm.accounts.permissions import Role
from site2crm.app import Instance
from site2crm.connectors.registry import KINDS
from site2crm.connectors.zoho.hooks import _token
from site2crm.core.queue import JobContext
from site2crm.deals import hooks, jobs
from site2crm.deals.models import Feed
from tests import cast
from tests.cast import Cast, Person
from tests.delivery.crms import flags, open_office, played

DEEP = 200_000
BROKEN = [b"", b"\x00", b"[", b"null", b"[]", b'"text"', b"{}", b"<html>", b"\xff\xfe", b"[" * DEEP, b'{"a":' * DEEP]


@dataclass(frozen=True)
class Form:
    """What such a hook looks like. `proof`: headers of a secret; `body`: with a secret, where the proof stands in it."""

    body: Callable[[str], dict[str, Any]]
    proof: Callable[[str], Mapping[str, str]] = lambda secret: {}
    broken: Callable[[str], list[dict[str, Any]]] = lambda secret: []


def _basic(secret: str) -> Mapping[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"site2crm:{secret}".encode()).decode()}


def _pipedrive(**meta: Any) -> dict[str, Any]:
    said = {"action": "change", "entity": "deal", "entity_id": "12", "user_id": "7", "change_source": "app"}
    return {"meta": {**said, **meta}, "data": {"id": 12}}


def _zoho(secret: str, **said: Any) -> dict[str, Any]:
    return {"token": _token(secret), "module": "Deals", "operation": "update", "ids": ["5550000000001"], **said}


def _nutshell(**event: Any) -> dict[str, Any]:
    said = {"payloadType": "leads", "action": "stagechange", "createdTime": 1, "links": {"payloads": ["3-leads"]}}
    return {"events": [{**said, **event}]}


FORMS = {
    "pipedrive": Form(
        lambda secret: _pipedrive(),
        _basic,
        lambda secret: [_pipedrive(entity=[1], action={}), _pipedrive(timestamp=10**30), {"meta": [1]}, {"meta": 5}],
    ),
    "zoho": Form(
        _zoho,
        broken=lambda secret: [
            _zoho(secret, ids="5550000000001"), _zoho(secret, ids=[{}, None, 10**40]), _zoho(secret, module=[1]),
            _zoho(secret, server_time=1e300), _zoho(secret, server_time="now"), {"token": [1]}, {"token": None},
        ],
    ),
    "salesforce": Form(
        lambda secret: {"object": "Opportunity", "id": "006000000000001AAA"},
        broken=lambda secret: [{"object": [1], "id": {}}, {"object": "Opportunity", "id": "' OR 1=1"}, {"object": "User"}],
    ),
    "nutshell": Form(
        lambda secret: _nutshell(),
        broken=lambda secret: [
            _nutshell(links=[1]), _nutshell(links={"payloads": "3-leads"}), _nutshell(createdTime=10**40),
            {"events": {}}, {"events": [None, 1, "x"]}, {"events": [{"payloadType": {}}]},
        ],
    ),
}  # fmt: skip


@dataclass
class Target:
    """Two connections of a kind, in two orgs; the address and the secret of each."""

    kind: str
    instance: Instance
    http: httpx.AsyncClient
    ours: str
    theirs: str

    async def secret(self, connection_id: str) -> str:
        async with self.instance.machine.session() as session:
            feed = await session.get(Feed, connection_id)
            assert feed is not None
            return hooks.secret_of(self.instance.machine, feed)

    async def was_hinted(self, connection_id: str) -> bool:
        async with self.instance.machine.session() as session:
            feed = await session.get(Feed, connection_id)
            return feed is not None and feed.hinted_at is not None

    async def call(self, place: str, secret: str, body: bytes | dict[str, Any], headers: Mapping[str, str]) -> int:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = await self.http.post(f"/hooks/{place}/{secret}", content=content, headers=dict(headers))
        return answer.status_code


async def _connected(instance: Instance, owner: Person, kind: str, server: Any) -> str:
    return (await open_office(instance, owner, kind, server)).connection_id


@pytest.fixture(params=list(FORMS))
async def target(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Target]:
    kind = request.param
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(played(kind))
        instance = await stack.enter_async_context(cast.an_instance(tmp_path, **flags({kind: server})))
        people = Cast(instance, stack)
        ours = await _connected(instance, await people.person("alice", Role.OWNER, "acme"), kind, server)
        theirs = await _connected(instance, await people.person("charlie", Role.OWNER, "other"), kind, server)
        await jobs.look(JobContext(instance.machine, 1, "cron"))
        http = await stack.enter_async_context(cast.client(instance))
        yield Target(kind, instance, http, ours, theirs)


def test_every_kind_with_hooks_is_here() -> None:
    assert set(FORMS) == {name for name, kind in KINDS.items() if kind.hooks is not None}


async def test_a_hook_counts_only_with_the_secret_of_its_own_connection(target: Target) -> None:
    form, ours, theirs = FORMS[target.kind], await target.secret(target.ours), await target.secret(target.theirs)
    forged = [
        await target.call(target.ours, theirs, form.body(theirs), form.proof(theirs)),
        await target.call(target.ours, theirs, form.body(ours), form.proof(ours)),
        await target.call(target.ours, "", form.body(ours), form.proof(ours)),
        await target.call(target.ours, ours[:-1], form.body(ours), form.proof(ours)),
        await target.call("con_nobody", ours, form.body(ours), form.proof(ours)),
    ]
    assert set(forged) == {404}
    if target.kind in ("pipedrive", "zoho"):  # those that prove something besides
        assert await target.call(target.ours, ours, form.body(theirs), form.proof(theirs)) == 403
        assert await target.call(target.ours, ours, form.body(""), {}) == 403
    assert not await target.was_hinted(target.ours)
    assert not await target.was_hinted(target.theirs)

    assert await target.call(target.ours, ours, form.body(ours), form.proof(ours)) == 204
    assert (await target.was_hinted(target.ours), await target.was_hinted(target.theirs)) == (True, False)


async def test_no_body_breaks_a_hook_whose_secret_is_known(target: Target) -> None:
    form, ours = FORMS[target.kind], await target.secret(target.ours)
    bodies = [*BROKEN, *form.broken(ours), {**form.body(ours), "more": "x" * 100_000}]
    answers = {}
    for number, body in enumerate(bodies):
        answers[number] = await target.call(target.ours, ours, body, form.proof(ours))
    assert not {number: status for number, status in answers.items() if status not in (204, 400, 403)}
