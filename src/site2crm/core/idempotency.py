"""`Idempotency-Key` on any POST of the API: the same request again gets the same answer and changes nothing.

The key is claimed in the transaction that carries the request out, so a crash can never do it twice: the answer is
stored right after, and only then sent, or a quick repeat would find a claim without an answer. One that does, after a
crash between the two, is told that it was carried out.
"""

import hashlib
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import security
from site2crm.core.asgi import ASGIApp, Receive, Scope, Send
from site2crm.core.errors import Conflict, Invalid
from site2crm.core.machine import Machine
from site2crm.core.sql import insert_new
from site2crm.core.tables import IdempotentAnswer
from site2crm.core.web import AnyRequest
from site2crm.kit import clock

KEPT = timedelta(hours=72)
LONGEST_KEY = 255
LARGEST_ANSWER = 64 * 1024
SECRET_PATHS = ("/api/v1/keys", "/api/v1/invites")
SIGN_IN = "/authorize"
"""Answers that show a secret once are not stored; a repeat is told so."""


class Claim:
    """What this request will be remembered by."""

    def __init__(self, key: str, fingerprint: str) -> None:
        self.key = key
        self.fingerprint = fingerprint
        self.made = False


async def claim(session: AsyncSession, request: AnyRequest) -> None:
    """Called by the session dependency just before its commit, when the handler has succeeded."""
    wanted: Claim | None = request.scope["state"].get("idempotency")
    if wanted is None or wanted.made:
        return
    row = {"key": wanted.key, "fingerprint": wanted.fingerprint, "at": clock.now()}
    claimed = await session.execute(insert_new(IdempotentAnswer, [row]).returning(IdempotentAnswer.key))
    if claimed.first() is None:
        raise Conflict("The same request is being carried out at this moment. Ask again in a second.")
    wanted.made = True


async def forget_old(session: AsyncSession) -> None:
    await session.execute(delete(IdempotentAnswer).where(IdempotentAnswer.at < clock.now() - KEPT))


class Idempotent:
    """ASGI: replays a stored answer, else lets the app answer and stores that."""

    def __init__(self, machine: Machine, app: ASGIApp) -> None:
        self._machine = machine
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith("/api/"):
            return await self._app(scope, receive, send)
        key = security.header(scope, b"idempotency-key")
        if not key:
            return await self._app(scope, receive, send)
        if len(key) > LONGEST_KEY:
            scope["state"]["refused"] = Invalid.field("Idempotency-Key", f"At most {LONGEST_KEY} characters.")
            return await self._app(scope, receive, send)
        return await self._once(scope, receive, send, key)

    async def _once(self, scope: Any, receive: Receive, send: Send, key: str) -> None:
        body, replay = await _read(receive, self._machine.settings.server.max_body)
        caller = security.header(scope, b"authorization")
        wanted = Claim(
            _digest(caller.encode(), key.encode()), _digest(scope["path"].encode(), scope["query_string"], body)
        )
        stored = await self._stored(wanted.key)
        if stored is not None and stored.fingerprint != wanted.fingerprint:
            scope["state"]["refused"] = Invalid.field(
                "Idempotency-Key", "This key was used for another request. Take a new one."
            )
        elif stored is not None and stored.status is None:
            scope["state"]["refused"] = Conflict(
                "This request was carried out before, but its answer is not kept. Read the resource instead."
            )
        elif stored is not None:
            return await self._repeat(scope, replay, send, stored)
        else:
            scope["state"]["idempotency"] = wanted
        answer = _Recorder(send)
        try:
            await self._app(scope, replay, answer.send)
            if wanted.made:
                await self._keep(scope["path"], wanted, answer)
        finally:
            await answer.release()
        return None

    async def _repeat(self, scope: Any, receive: Receive, send: Send, stored: IdempotentAnswer) -> None:
        """The guard has its say first: a key that was revoked since then gets no old answer."""
        scope["state"]["refused"] = Conflict("This request was carried out before.")
        held: list[Any] = []

        async def hold(message: Any) -> None:
            held.append(message)

        await self._app(scope, receive, hold)
        if scope["state"].get("allowed"):
            return await _replay(send, stored)
        for message in held:
            await send(message)
        return None

    async def _stored(self, key: str) -> IdempotentAnswer | None:
        async with self._machine.session() as session:
            fresh = IdempotentAnswer.at >= clock.now() - KEPT
            return await session.scalar(select(IdempotentAnswer).where(IdempotentAnswer.key == key, fresh))

    async def _keep(self, path: str, wanted: Claim, answer: "_Recorder") -> None:
        if path.startswith(SECRET_PATHS) or path.endswith(SIGN_IN) or len(answer.body) > LARGEST_ANSWER:
            return
        async with self._machine.session() as session:
            await session.execute(
                update(IdempotentAnswer)
                .where(IdempotentAnswer.key == wanted.key)
                .values(status=answer.status, body=bytes(answer.body))
            )


class _Recorder:
    """Holds an answer until it is stored; one too large for that passes."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._held: list[Any] = []
        self.status = 0
        self.body = bytearray()

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body" and len(self.body) <= LARGEST_ANSWER:
            self.body += message.get("body", b"")
        self._held.append(message)
        if len(self.body) > LARGEST_ANSWER:
            await self.release()

    async def release(self) -> None:
        held, self._held = self._held, []
        for message in held:
            await self._send(message)


async def _read(receive: Receive, cap: int) -> tuple[bytes, Receive]:
    """The whole body, and a `receive` that hands it out again. What is over the cap the app refuses by itself."""
    body = bytearray()
    while True:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            break
        body += message.get("body", b"")
        if not message.get("more_body") or len(body) > cap:
            break
    sent = False

    async def again() -> Any:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return bytes(body), again


async def _replay(send: Send, stored: IdempotentAnswer) -> None:
    assert stored.status is not None
    headers = [
        (b"content-type", b"application/json"),
        (b"idempotent-replay", b"true"),
        (b"content-length", str(len(stored.body or b"")).encode()),
    ]
    await send({"type": "http.response.start", "status": stored.status, "headers": headers})
    await send({"type": "http.response.body", "body": stored.body or b"", "more_body": False})


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
