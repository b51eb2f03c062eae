"""Load, kill -9, restart, count: what was acknowledged must be there, once, and in the CRM, once.

The scoreboard cuts the power instead, or takes the disk away; it counts as here.
"""

import asyncio
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests import behind
from tests.server import ROOT, Server, environment, free_port

CLIENTS = 8
SETTLE_S = 60
TOKEN = "pat-na1-fake-0000-1111"

Cut = Callable[[Server], None]
"""How a server under load comes to its end."""


@dataclass
class Outcome:
    """What a run of rounds came to."""

    acknowledged: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    doubled: set[str] = field(default_factory=set)
    not_in_crm: set[str] = field(default_factory=set)
    twice_in_crm: set[str] = field(default_factory=set)
    unsettled: int = 0
    integrity: str = ""

    @property
    def well(self) -> bool:
        wrong = self.lost or self.doubled or self.not_in_crm or self.twice_in_crm or self.unsettled
        return not wrong and self.integrity == "ok"

    def line(self) -> str:
        return (
            f"acknowledged {len(self.acknowledged)}, lost {len(self.lost)}, doubled {len(self.doubled)}, "
            f"not in the CRM {len(self.not_in_crm)}, twice in the CRM {len(self.twice_in_crm)}, "
            f"unsettled {self.unsettled}, integrity {self.integrity}"
        )


@contextmanager
def fake_hubspot() -> Iterator[str]:
    """The CRM, in a process of its own, so that it outlives ours. Yields its address."""
    port = free_port()
    words = [sys.executable, "-m", "tests.fakes.hubspot", "--port", str(port), "--token", TOKEN]
    process = subprocess.Popen(words, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url)
        yield url
    finally:
        process.kill()
        process.wait()


def _wait_for(url: str) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            httpx.get(f"{url}/_fake/contacts", timeout=1)
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the fake CRM did not start")


def config(crm_url: str) -> str:
    return (
        f'[outbound]\nallow_private = ["127.0.0.1"]\n[connectors.hubspot]\nbase_url = "{crm_url}"\n'
        "[intake]\nper_address_per_minute = 1000000\n"
    )


def with_form_and_crm(api: httpx.Client) -> str:
    """A form and a connection to the fake; returns the form's path."""
    form = api.post("/api/v1/forms", json={"name": "Contact"})
    assert form.status_code == 201, form.text
    body = {
        "kind": "hubspot",
        "name": "Main",
        "settings": {"token": TOKEN},
        "mapping": {"email": "email", "first_name": "firstname", "last_name": "lastname"},
    }
    connection = api.post("/api/v1/connections", json=body)
    assert connection.status_code == 201, connection.text
    assert connection.json()["state"] == "active", connection.text
    return f"/f/{form.json()['key']}"


async def load(url: str, *, until: float, acknowledged: set[str], prefix: str) -> None:
    """Post leads of ever new people until the clock says so or the server is gone."""

    async def one(client: httpx.AsyncClient, worker: int) -> None:
        number = 0
        while time.monotonic() < until:
            number += 1
            email = f"{prefix}-{worker}-{number}@example.com"
            try:
                answer = await client.post(url, data={"email": email, "name": f"Lead {number}"}, timeout=10)
            except httpx.HTTPError:
                return
            if answer.status_code in {200, 201, 303}:
                acknowledged.add(email)

    async with httpx.AsyncClient() as client:
        await asyncio.gather(*(one(client, worker) for worker in range(CLIENTS)))


def run(folder: Path, *, rounds: int, seed: int, longest_s: float = 1.5, cut: Cut = Server.kill) -> Outcome:
    """End the server `rounds` times under load, each time at another moment; then count."""
    chance = random.Random(seed)
    outcome = Outcome()
    with fake_hubspot() as crm:
        server = Server(folder, config(crm)).start()
        with server.an_org() as api:
            path = with_form_and_crm(api)
            for number in range(rounds):
                for_s = chance.uniform(0.2, longest_s)
                asyncio.run(
                    _round(server, path, cut, for_s=for_s, acknowledged=outcome.acknowledged, prefix=f"r{number}")
                )
                server.start()
            try:
                settle(server, outcome)
                count(server, crm, outcome)
            finally:
                server.stop()
    return outcome


async def _round(server: Server, path: str, cut: Cut, *, for_s: float, acknowledged: set[str], prefix: str) -> None:
    until = time.monotonic() + for_s + 5
    loading = asyncio.create_task(load(server.url + path, until=until, acknowledged=acknowledged, prefix=prefix))
    before = len(acknowledged)
    await asyncio.sleep(for_s)
    while len(acknowledged) == before and not loading.done():  # a slow machine has yet to answer the first
        await asyncio.sleep(0.01)
    cut(server)
    await loading


def settle(server: Server, outcome: Outcome) -> None:
    """Wait while deliveries come to an end; what has not moved for a minute is stuck."""
    until, fewest = time.monotonic() + SETTLE_S, -1
    while time.monotonic() < until:
        leads, outcome.unsettled = progress(server)
        if leads >= len(outcome.acknowledged) and not outcome.unsettled:
            return
        if outcome.unsettled < fewest or fewest < 0:
            until, fewest = time.monotonic() + SETTLE_S, outcome.unsettled
        time.sleep(0.5)


def progress(server: Server) -> tuple[int, int]:
    """Leads, and deliveries that have not come to an end."""
    [leads] = behind.column(server.folder, "SELECT count(*) FROM lead")
    waiting = "SELECT count(*) FROM delivery WHERE state IN ('pending', 'sending', 'retrying', 'parked')"
    [unsettled] = behind.column(server.folder, waiting)
    return int(leads), int(unsettled)


def count(server: Server, crm: str, outcome: Outcome) -> None:
    """Nobody has posted twice: a second submission of somebody is one that was doubled."""
    taken = "SELECT lead.email FROM submission JOIN lead ON lead.id = lead_id WHERE submission.status = 'accepted'"
    leads = Counter(behind.column(server.folder, taken))
    outcome.integrity = behind.integrity(server.folder)
    contacts = httpx.get(f"{crm}/_fake/contacts", timeout=60).json()
    rows = contacts["contacts"] if isinstance(contacts, dict) else contacts
    in_crm = Counter(row["properties"]["email"] for row in rows)
    outcome.lost = {email for email in outcome.acknowledged if not leads[email]}
    outcome.doubled = {email for email, times in leads.items() if times > 1}
    outcome.not_in_crm = {email for email in outcome.acknowledged if not in_crm[email]}
    outcome.twice_in_crm = {email for email, times in in_crm.items() if times > 1}
