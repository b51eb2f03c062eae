"""The same post again: fifty at once, again after kill -9, again without a key. One lead each, one contact each."""

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests import chaos
from tests.scoreboard.power_cuts import score_of
from tests.scoreboard.score import Score
from tests.scoreboard.visitors import Answers
from tests.server import Server

AT_ONCE = 50
PEOPLE = 40
KILLED_AFTER = (10, 20, 30)
"""So many people's posts later the server is killed, in the middle of the next one's."""
PATIENT_TRIES = 200


@dataclass
class Posts:
    """What was answered, and under which ids."""

    answers: Answers = field(default_factory=Answers)
    sent: int = 0
    ids: dict[str, set[str]] = field(default_factory=dict)


def run(folder: Path, seed: int) -> Score:
    with chaos.fake_hubspot() as crm:
        server = Server(folder, chaos.config(crm)).start()
        try:
            with server.an_org() as api:
                path, posts = chaos.with_form_and_crm(api), Posts()
                asyncio.run(_post_all(server, path, posts, random.Random(seed)))
                outcome = chaos.Outcome(acknowledged=posts.answers.acknowledged)
                chaos.settle(server, outcome)
                chaos.count(server, crm, outcome)
        finally:
            server.stop()
    return _scored(outcome, posts)


async def _post_all(server: Server, path: str, posts: Posts, chance: random.Random) -> None:
    async with httpx.AsyncClient(timeout=20, limits=httpx.Limits(max_connections=AT_ONCE)) as client:
        for number in range(PEOPLE):
            posting = asyncio.gather(*(_post(client, server, path, posts, number) for _ in range(AT_ONCE)))
            if number in KILLED_AFTER:
                await asyncio.sleep(chance.uniform(0, 0.05))
                server.kill()
                await asyncio.to_thread(server.start)
            await posting
        again = [_post(client, server, path, posts, number) for number in range(PEOPLE)]
        await asyncio.gather(*again)  # days later, as far as memory goes: the server was killed since


async def _post(client: httpx.AsyncClient, server: Server, path: str, posts: Posts, number: int) -> None:
    """Until there is an answer: a visitor's script tries again with the same key."""
    email = f"twice{number}@example.com"
    headers = {"Idempotency-Key": f"key-{number}"} if number % 3 else {}  # every third relies on the body alone
    for _ in range(PATIENT_TRIES):
        posts.sent += 1
        try:
            answer = await client.post(server.url + path, json={"email": email, "name": "Twice"}, headers=headers)
        except httpx.HTTPError:
            await asyncio.sleep(0.2)
            continue
        if posts.answers.take(email, answer):
            posts.ids.setdefault(email, set()).add(answer.json()["id"])
        return
    posts.answers.wrong.append(f"{email}: no answer in {PATIENT_TRIES} tries")


def _scored(outcome: chaos.Outcome, posts: Posts) -> Score:
    people = len(posts.answers.acknowledged)
    score = score_of(outcome, f"{posts.sent:,} posts of {people} leads, {AT_ONCE} at once, {len(KILLED_AFTER)} kills")
    score.errors = len(posts.answers.wrong) + posts.answers.put_off
    score.problems += posts.answers.wrong[:5]
    keyed = {email for email in posts.ids if int(email[5:].partition("@")[0]) % 3}
    if several := [email for email in keyed if len(posts.ids[email]) > 1]:
        score.problems.append(f"one key, several ids: {several[:5]}")
    if people != PEOPLE:
        score.problems.append(f"{PEOPLE - people} people were never answered")
    return score
