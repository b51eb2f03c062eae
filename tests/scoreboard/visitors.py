"""People who fill in a form, again and again, whatever they are answered; and what they were answered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

CLIENTS = 8
TAKEN = {200, 201, 303}
PAUSE_S = 0.02
"""After a refusal: a visitor who is told to wait does not come back within the same millisecond."""


@dataclass
class Answers:
    """By what it means for the visitor."""

    acknowledged: set[str] = field(default_factory=set)
    put_off: int = 0
    """503 with Retry-After: told to come again, and rightly so if the disk is full or broken."""
    unanswered: int = 0
    wrong: list[str] = field(default_factory=list)

    def take(self, email: str, answer: httpx.Response) -> bool:
        """True if it was a promise."""
        if answer.status_code in TAKEN:
            self.acknowledged.add(email)
            return True
        if answer.status_code == 503 and answer.headers.get("retry-after"):
            self.put_off += 1
        else:
            self.wrong.append(f"{answer.status_code} {answer.text[:200]}")
        return False


@asynccontextmanager
async def posting(url: str, answers: Answers, *, prefix: str, message: str = "") -> AsyncIterator[None]:
    """Ever new people post while the block runs, and finish what they have begun."""
    over = asyncio.Event()

    async def one(client: httpx.AsyncClient, worker: int) -> None:
        number = 0
        while not over.is_set():
            number += 1
            if not await _post(client, url, answers, f"{prefix}-{worker}-{number}@example.com", message):
                await asyncio.sleep(PAUSE_S)

    async with httpx.AsyncClient(timeout=20) as client, asyncio.TaskGroup() as group:
        for worker in range(CLIENTS):
            group.create_task(one(client, worker))
        try:
            yield
        finally:
            over.set()


@dataclass
class Clicks:
    served: int = 0
    wrong: list[str] = field(default_factory=list)


@asynccontextmanager
async def clicking(link: str, clicks: Clicks) -> AsyncIterator[None]:
    """Somebody follows the link all the time while the block runs."""
    over = asyncio.Event()

    async def click() -> None:
        async with httpx.AsyncClient(timeout=20) as client:
            while not over.is_set():
                try:
                    status = (await client.get(link)).status_code
                except httpx.HTTPError as error:
                    clicks.wrong.append(f"a link was not answered: {error!r}")
                else:
                    clicks.served += status == 302
                    if status != 302:
                        clicks.wrong.append(f"a link was answered {status}")
                await asyncio.sleep(0.01)

    task = asyncio.create_task(click())
    try:
        yield
    finally:
        over.set()
        await task


async def _post(client: httpx.AsyncClient, url: str, answers: Answers, email: str, message: str) -> bool:
    try:
        answer = await client.post(url, data={"email": email, "name": "Visitor", "message": message})
    except httpx.HTTPError:
        answers.unanswered += 1
        return False
    return answers.take(email, answer)
