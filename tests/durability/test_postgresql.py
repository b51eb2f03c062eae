"""PostgreSQL stops and comes back: forms and links go on, a node may even restart meanwhile, and nothing is lost."""

import asyncio
import shutil
import signal
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests import records
from tests.records import Cluster
from tests.server import Server

AWAY_S = 20
NEWS_S = 1.0
"""From the answer to a change on one node until another one shows it."""
DATABASE = "postgres"


@dataclass
class World:
    """A server on a PostgreSQL of its own, with a form and a link."""

    cluster: Cluster
    server: Server
    api: httpx.Client
    form: str = ""
    link: str = ""

    def leads(self) -> Counter[str]:
        return Counter(self.cluster.psql("SELECT email FROM lead", DATABASE).split())


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = records.new_cluster()
    yield made
    made.remove()


def config(cluster: Cluster) -> str:
    return f'[database]\nurl = "{cluster.url(DATABASE)}"\n[intake]\nper_address_per_minute = 1000000\n'


@pytest.fixture
def world(cluster: Cluster, tmp_path: Path) -> Iterator[World]:
    server = Server(tmp_path / "one", config(cluster)).start()
    with server.an_org() as api:
        made = World(cluster, server, api)
        made.form = f"/f/{api.post('/api/v1/forms', json={'name': 'Contact'}).json()['key']}"
        answer = api.post("/api/v1/links", json={"url": "https://www.example.com/", "slug": "spring"})
        assert answer.status_code == 201, answer.text
        made.link = "/spring"
        yield made
    if server.process is not None:
        server.stop()


def until(condition: Callable[[], bool], what: str, *, for_s: float = 60, every_s: float = 0.1) -> None:
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(every_s)
    raise AssertionError(f"not within {for_s} s: {what}")


async def post_leads(server: Server, path: str, *, for_s: float, prefix: str) -> tuple[list[str], list[object]]:
    """What was acknowledged, and whatever else was answered."""
    end, taken, refused = time.monotonic() + for_s, list[str](), list[object]()

    async def one(client: httpx.AsyncClient, worker: int) -> None:
        number = 0
        while time.monotonic() < end:
            number += 1
            email = f"{prefix}-{worker}-{number}@example.com"
            answer = await client.post(server.url + path, data={"email": email}, timeout=10)
            (taken if answer.status_code == 201 else refused).append(email)
            await asyncio.sleep(0.05)

    async with httpx.AsyncClient() as client:
        await asyncio.gather(*(one(client, worker) for worker in range(8)))
    return taken, refused


async def work_in_the_office(world: World, *, for_s: float) -> set[int]:
    """What people who read and change something meanwhile are answered."""
    end, seen, number = time.monotonic() + for_s, set[int](), 0
    async with httpx.AsyncClient(base_url=world.server.url, timeout=30, headers=world.api.headers) as client:
        while time.monotonic() < end:
            number += 1
            made = await client.post("/api/v1/links", json={"url": "https://www.example.com/", "slug": f"s{number}"})
            listed = await client.get("/api/v1/leads")
            seen |= {made.status_code, listed.status_code}
            await asyncio.sleep(0.1)
    return seen


def test_postgresql_may_stop_for_20_seconds_under_load(world: World) -> None:
    async def story() -> tuple[list[str], list[object]]:
        loading = asyncio.create_task(post_leads(world.server, world.form, for_s=AWAY_S + 4, prefix="load"))
        working = asyncio.create_task(work_in_the_office(world, for_s=AWAY_S + 4))
        await asyncio.sleep(2)
        await asyncio.to_thread(world.cluster.stop, signal.SIGQUIT)
        end = time.monotonic() + AWAY_S
        async with httpx.AsyncClient(base_url=world.server.url, timeout=10) as client:
            while time.monotonic() < end:
                assert (await client.get(world.link)).status_code == 302
                page = await client.get("/login", headers={"Accept": "text/html"})
                assert page.status_code in {200, 503}
                await asyncio.sleep(0.5)
            refused = await client.get("/api/v1/leads", headers=world.api.headers)
            assert (refused.status_code, refused.json()["code"]) == (503, "database_away")
            assert "Forms and links go on" in refused.json()["detail"]
        world.cluster.start()  # not in a thread: it ends with the one that has started it
        assert await working == {200, 201, 503}
        return await loading

    taken, refused = asyncio.run(story())
    assert refused == []
    until(lambda: len(world.leads()) >= len(taken), "all that was acknowledged is a lead")
    assert world.leads() == Counter(taken)
    assert httpx.get(world.server.url + "/readyz").text == "ok"


def test_a_node_that_restarts_meanwhile_answers_from_what_it_has_kept(world: World) -> None:
    server, kept = world.server, world.server.folder / "data" / "snapshot"
    until(lambda: b"spring" in _read(kept / "links.msgpack") and _read(kept / "forms.msgpack"), "it is kept")
    world.cluster.stop(signal.SIGQUIT)
    server.kill()
    server.start()
    assert httpx.post(server.url + world.form, data={"email": "ada@example.com"}).status_code == 201
    assert httpx.get(server.url + world.link).status_code == 302
    assert httpx.get(server.url + "/readyz").text.startswith("degraded")
    assert httpx.get(server.url + "/health").status_code == 503
    page = httpx.get(server.url + "/o/acme", headers={"Accept": "text/html"}, cookies={"s2c": "x" * 43})
    assert page.status_code == 503
    assert "The database does not answer" in page.text
    world.cluster.start()
    until(lambda: world.leads() == Counter(["ada@example.com"]), "it became a lead")
    until(lambda: httpx.get(server.url + "/readyz").text == "ok", "it is well again")
    changed = world.api.post("/api/v1/links", json={"url": "https://www.example.com/", "slug": "later"})
    assert changed.status_code == 201, changed.text
    assert httpx.get(server.url + "/later").status_code == 302


@pytest.fixture
def other(world: World, tmp_path: Path) -> Iterator[Server]:
    """A second node on the same PostgreSQL."""
    node = Server(tmp_path / "two", config(world.cluster))
    (node.folder / "data").mkdir(parents=True, mode=0o700)
    shutil.copy(world.server.folder / "data" / "secret.key", node.folder / "data" / "secret.key")
    yield node.start()
    node.stop()


def test_two_nodes_are_one_product(world: World, other: Server) -> None:
    until(lambda: httpx.get(other.url + world.link).status_code == 302, "the link is known there")
    made = world.api.post("/api/v1/forms", json={"name": "Second"}).json()
    until(
        lambda: httpx.post(f"{other.url}/f/{made['key']}", data={"email": "new@example.com"}).status_code == 201,
        "the form made here is known there",
        for_s=5,
    )
    answers = [
        httpx.post(
            node.url + world.form, data={"email": "same@example.com"}, headers={"Idempotency-Key": "one-and-only"}
        )
        for node in (world.server, other, world.server, other)
    ]
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    wanted = Counter(["new@example.com", "same@example.com"])
    until(lambda: world.leads() == wanted, "each is a lead")
    time.sleep(1)
    assert world.leads() == wanted
    assert world.cluster.psql("SELECT count(*) FROM submission WHERE id LIKE 'sub_%'", DATABASE) == "2"


def test_what_is_changed_on_one_node_the_other_answers_within_a_second(world: World, other: Server) -> None:
    """Each change arrives; one second is for most of them, as a machine that does other things may be late once."""
    link = world.api.get("/api/v1/links").json()["data"][0]["id"]
    form = world.api.get("/api/v1/forms").json()["data"][0]["id"]
    there = httpx.Client(base_url=other.url, timeout=30)
    until(lambda: there.get(world.link).status_code == 302, "the link is known there")

    def leads_to(number: int) -> bool:
        return there.get(world.link).headers.get("location") == f"https://www.example.com/{number}"

    def is_called(number: int) -> bool:
        return f"Contact {number}<" in there.get(world.form, headers={"Accept": "text/html"}).text

    took = list[float]()
    for number in range(5):
        for path, change, arrived in (
            (f"/api/v1/links/{link}", {"url": f"https://www.example.com/{number}"}, leads_to),
            (f"/api/v1/forms/{form}", {"name": f"Contact {number}"}, is_called),
        ):
            answer = world.api.patch(path, json=change)
            assert answer.status_code == 200, answer.text
            began = time.monotonic()
            until(partial(arrived, number), f"{change} is known there", every_s=0.01)
            took.append(time.monotonic() - began)
    assert statistics.median(took) <= NEWS_S, took


def test_a_second_process_on_the_same_folder_follows_the_first(world: World) -> None:
    first, config_of = world.server, world.server.config
    second = Server(first.folder, config_of, flags=("--standby",), log_name="second.log").start(wait=False)
    try:
        second.wait_ready("/livez")
        assert httpx.get(second.url + "/readyz").status_code == 503
        made = world.api.post("/api/v1/links", json={"url": "https://www.example.com/", "slug": "later"})
        assert made.status_code == 201, made.text
        until(lambda: httpx.get(second.url + "/later").status_code == 302, "a link made there is known here", for_s=5)
        assert httpx.post(first.url + world.form, data={"email": "ada@example.com"}).status_code == 201
        assert httpx.post(second.url + world.form, data={"email": "bob@example.com"}).status_code == 201
        assert first.stop() == 0
        second.wait_ready()
        assert httpx.get(second.url + "/login").status_code == 200
        until(lambda: world.leads() == Counter(["ada@example.com", "bob@example.com"]), "both are leads")
    finally:
        second.stop()


def test_a_refused_password_is_said_so(cluster: Cluster, tmp_path: Path) -> None:
    server = Server(tmp_path, f'[database]\nurl = "{cluster.url("nowhere")}"\n').start(wait=False)
    assert server.process is not None
    assert server.process.wait(timeout=60) == 4
    assert "nowhere" in server.log()


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
