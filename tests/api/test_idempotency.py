"""`Idempotency-Key` on POSTs of the API: carried out once, answered alike, and no secret is kept for it."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from site2crm.accounts.authentication import KEY_LIMIT, KEY_WINDOW_S
from site2crm.accounts.permissions import Role
from site2crm.app import Instance
from site2crm.core.tables import IdempotentAnswer
from site2crm.kit import clock
from tests import cast
from tests.cast import Cast, Person

KEY = {"Idempotency-Key": "k-1"}
FORM = {"name": "Contact"}


async def count(person: Person, path: str = "/api/v1/forms") -> int:
    return len((await person.api.get(path)).json()["data"])


async def stored(instance: Instance) -> list[bytes]:
    async with instance.machine.session() as session:
        return [body or b"" for body in await session.scalars(select(IdempotentAnswer.body))]


async def test_the_same_request_again_gets_the_same_answer(alice: Person) -> None:
    answers = [await alice.api.post("/api/v1/forms", json=FORM, headers=KEY) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201] * 3
    assert len({answer.text for answer in answers}) == 1
    assert "idempotent-replay" not in answers[0].headers
    assert answers[1].headers["idempotent-replay"] == "true"
    assert answers[1].headers["content-type"] == answers[0].headers["content-type"]
    assert await count(alice) == 1


async def test_the_key_with_another_body_or_path_is_refused(alice: Person) -> None:
    await alice.api.post("/api/v1/forms", json=FORM, headers=KEY)
    other_body = await alice.api.post("/api/v1/forms", json={"name": "Another"}, headers=KEY)
    other_path = await alice.api.post("/api/v1/invites", json=FORM, headers=KEY)
    for answer in (other_body, other_path):
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
    assert await count(alice) == 1


async def test_ten_at_once_are_one(alice: Person) -> None:
    posts = [alice.api.post("/api/v1/forms", json=FORM, headers=KEY) for _ in range(10)]
    answers = await asyncio.gather(*posts)
    assert {answer.status_code for answer in answers} <= {201, 409}
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    assert await count(alice) == 1
    after = await alice.api.post("/api/v1/forms", json=FORM, headers=KEY)
    assert (after.status_code, after.json()["id"]) == (201, made.pop())


async def test_a_request_that_failed_may_be_mended(alice: Person) -> None:
    refused = await alice.api.post("/api/v1/forms", json={"name": ""}, headers=KEY)
    mended = await alice.api.post("/api/v1/forms", json=FORM, headers=KEY)
    assert (refused.status_code, mended.status_code) == (422, 201)


async def test_two_callers_may_choose_the_same_key(alice: Person, bob: Person, charlie: Person) -> None:
    answers = [await person.api.post("/api/v1/forms", json=FORM, headers=KEY) for person in (alice, bob, charlie)]
    assert [answer.status_code for answer in answers] == [201] * 3
    assert len({answer.json()["id"] for answer in answers}) == 3


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/keys", {"name": "Zapier", "scopes": ["org:read"]}),
        ("/api/v1/invites", {"email": "new@example.com"}),
    ],
)
async def test_a_secret_is_shown_once_and_never_again(
    instance: Instance, alice: Person, path: str, body: dict[str, object]
) -> None:
    before = await count(alice, path)
    first = await alice.api.post(path, json=body, headers=KEY)
    again = await alice.api.post(path, json=body, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 409)
    secret = (first.json().get("key") or first.json()["url"]).rpartition("_" if "key" in first.json() else "/")[2]
    assert secret not in again.text
    assert not any(secret.encode() in answer for answer in await stored(instance))
    assert await count(alice, path) == before + 1


async def test_an_invitation_sent_again_is_not_replayed(instance: Instance, alice: Person) -> None:
    made = await alice.api.post("/api/v1/invites", json={"email": "new@example.com"})
    path = f"/api/v1/invites/{made.json()['id']}/resend"
    first = await alice.api.post(path, headers=KEY)
    again = await alice.api.post(path, headers=KEY)
    assert (first.status_code, again.status_code) == (200, 409)
    token = first.json()["url"].rpartition("/")[2]
    assert not any(token.encode() in answer for answer in await stored(instance))


async def test_no_secret_is_made_for_an_answer_that_is_kept(instance: Instance, alice: Person) -> None:
    """A webhook's own secret is told in the answer: with an Idempotency-Key one has to bring it."""
    webhook = {"kind": "webhook", "settings": {"url": "https://crm.example.com/leads"}}
    refused = await alice.api.post("/api/v1/connections?test=false", json=webhook, headers=KEY)
    assert refused.status_code == 422
    secret = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo0MTIzNDU="
    webhook["settings"] = {"url": "https://crm.example.com/leads", "secret": secret}
    made = await alice.api.post("/api/v1/connections?test=false", json=webhook, headers=KEY)
    assert made.status_code == 201, made.text
    assert secret not in made.text
    assert not any(secret.encode() in answer for answer in await stored(instance))


async def test_a_revoked_key_gets_no_old_answer(alice: Person, nobody: httpx.AsyncClient) -> None:
    made = (await alice.api.post("/api/v1/keys", json={"name": "Old", "scopes": ["forms:write"]})).json()
    headers = {**KEY, "Authorization": f"Bearer {made['key']}"}
    first = await nobody.post("/api/v1/forms", json=FORM, headers=headers)
    await alice.api.delete(f"/api/v1/keys/{made['id']}")
    again = await nobody.post("/api/v1/forms", json=FORM, headers=headers)
    assert (first.status_code, again.status_code) == (201, 401)
    assert first.json()["id"] not in again.text


async def test_replays_count_against_the_limit(instance: Instance, alice: Person) -> None:
    await alice.api.post("/api/v1/forms", json=FORM, headers=KEY)
    key_id = (await alice.api.get("/api/v1/me")).json()["key_id"]
    with clock.travel(clock.now()):
        while instance.machine.limits.take(f"key {key_id}", limit=KEY_LIMIT, per_s=KEY_WINDOW_S).allowed:
            pass
        again = await alice.api.post("/api/v1/forms", json=FORM, headers=KEY)
    assert (again.status_code, again.headers["retry-after"]) == (429, "1")


@pytest.mark.parametrize("key", ["k" * 256, "k" * 5000])
async def test_a_key_that_is_too_long_is_told(alice: Person, key: str) -> None:
    answer = await alice.api.post("/api/v1/forms", json=FORM, headers={"Idempotency-Key": key})
    assert (answer.status_code, await count(alice)) == (422, 0)


async def test_nobodys_key_is_nothing(nobody: httpx.AsyncClient, people: Cast) -> None:
    answers = [await nobody.post("/api/v1/forms", json=FORM, headers=KEY) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [401, 401]
    vera = await people.person("vera", Role.VIEWER, "acme")
    assert (await vera.api.post("/api/v1/forms", json=FORM, headers=KEY)).status_code == 403


async def test_whoever_has_the_answer_can_have_it_again_at_once(instance: Instance, alice: Person) -> None:
    """The client's next request may be there before the app has come back from this one."""
    quick: list[httpx.Response] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def send_and_repeat(message: Any) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                quick.append(await alice.api.post("/api/v1/forms", json=FORM, headers=KEY))

        await instance.app(scope, receive, send_and_repeat)

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url=cast.BASE, headers=alice.api.headers) as slow:
        first = await slow.post("/api/v1/forms", json=FORM, headers=KEY)
    assert [first.status_code, quick[0].status_code] == [201, 201]
    assert quick[0].headers["idempotent-replay"] == "true"
