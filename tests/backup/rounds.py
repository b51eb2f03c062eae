"""Back up under full load, restore elsewhere, start there, count: what was acknowledged before the start is there."""

import argparse
import asyncio
import contextlib
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from site2crm.core import heavy, sqlite
from tests import chaos
from tests.clicks import Tally, click
from tests.server import Server, run

SETTLE_S = 60
ENDLESS = 10**9


@dataclass
class Outcome:
    """What the rounds came to; clicks are counted in each restored instance."""

    backups: int = 0
    expected: int = 0
    lost: set[str] = field(default_factory=set)
    doubled: set[str] = field(default_factory=set)
    clicks_lost: int = 0
    clicks_doubled: int = 0
    twice_in_crm: set[str] = field(default_factory=set)
    refused: int = 0

    @property
    def well(self) -> bool:
        return not (self.lost or self.doubled or self.clicks_lost or self.clicks_doubled or self.twice_in_crm)

    def line(self) -> str:
        return (
            f"{self.backups} backups under load; of {self.expected} leads acknowledged before their starts lost "
            f"{len(self.lost)}, doubled {len(self.doubled)}; clicks lost {self.clicks_lost}, doubled "
            f"{self.clicks_doubled}; twice in the CRM {len(self.twice_in_crm)}; unanswered posts {self.refused}"
        )


def run_rounds(folder: Path, *, rounds: int, seed: int) -> Outcome:
    chance, outcome = random.Random(seed), Outcome()
    with chaos.fake_hubspot() as crm:
        server = Server(folder / "first", chaos.config(crm)).start()
        try:
            with server.an_org() as api:
                path = chaos.with_form_and_crm(api)
                slug = api.post("/api/v1/links", json={"url": "https://www.example.com/"}).json()["slug"]
                acknowledged: set[str] = set()
                tally = Tally()
                for number in range(rounds):
                    before = asyncio.run(
                        _backed_up(server, path, slug, chance.uniform(0.3, 1.5), f"r{number}", acknowledged, tally)
                    )
                    second = _restored(server, folder / f"second{number}", chaos.config(crm))
                    outcome.backups += 1
                    outcome.expected += len(before[0])
                    _count(second, before, tally, outcome)
                    shutil.rmtree(second.folder)
        finally:
            server.stop()
        contacts = httpx.get(f"{crm}/_fake/contacts", timeout=60).json()
        rows = contacts["contacts"] if isinstance(contacts, dict) else contacts
        in_crm = Counter(row["properties"]["email"] for row in rows)
        outcome.twice_in_crm = {email for email, times in in_crm.items() if times > 1}
    return outcome


async def _backed_up(
    server: Server, path: str, slug: str, after_s: float, prefix: str, acknowledged: set[str], tally: Tally
) -> tuple[set[str], int]:
    """Leads acknowledged and redirects served before the backup began."""
    until = time.monotonic() + 60
    posting = asyncio.create_task(chaos.load(server.url + path, until=until, acknowledged=acknowledged, prefix=prefix))
    clicking = asyncio.create_task(click(server.port, slug, tally, until=ENDLESS))
    await asyncio.sleep(after_s)
    before = set(acknowledged), tally.served.total()
    words = ["backup", "create", "--no-verify", "--config", str(server.folder / "site2crm.toml")]
    made = await asyncio.to_thread(run, words, server.folder)
    for task in (posting, clicking):
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(posting, clicking)
    assert made.returncode == 0, made.stderr
    return before


def _restored(server: Server, folder: Path, config: str) -> Server:
    """The newest backup on another machine, which has the secret key."""
    second = Server(folder, config)
    (folder / "data").mkdir(parents=True)
    shutil.copy(server.folder / "data" / "secret.key", folder / "data" / "secret.key")
    newest = max((server.folder / "data" / "backups").glob("*.tar.gz"))
    answer = run(["restore", str(newest), "--data-dir", str(folder / "data")], folder)
    assert answer.returncode == 0, answer.stderr
    newest.unlink()
    return second.start()


def _count(second: Server, before: tuple[set[str], int], tally: Tally, outcome: Outcome) -> None:
    acknowledged, served = before
    deadline, last, still = time.monotonic() + SETTLE_S, -1, 0
    while time.monotonic() < deadline and still < 8:  # until nothing has come for a second
        time.sleep(0.15)
        found = len(_emails(second))
        still = still + 1 if found == last and found >= len(acknowledged) else 0
        last = found
    second.stop()
    emails = Counter(_emails(second))
    outcome.lost |= acknowledged - set(emails)
    outcome.doubled |= {email for email, times in emails.items() if times > 1}
    counted, ids = _events(second)
    most = tally.served.total() + tally.unanswered.total()
    outcome.clicks_lost += max(0, served - counted)
    outcome.clicks_doubled += max(0, counted - most, counted - ids)


def _emails(server: Server) -> list[str]:
    records = sqlite.connect(f"file:{server.folder / 'data' / 'site2crm.db'}?mode=ro", timeout_s=5)
    try:
        return [row[0] for row in records.execute("SELECT email FROM lead")]
    finally:
        records.close()


def _events(server: Server) -> tuple[int, int]:
    """Clicks, and different clicks."""
    store = heavy.duckdb().connect(str(server.folder / "data" / "events.duckdb"), read_only=True)
    try:
        row: tuple[int, int] = store.execute("SELECT count(*), count(DISTINCT id) FROM events").fetchall()[0]
        return row
    finally:
        store.close()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = run_rounds(Path(folder), rounds=chosen.rounds, seed=chosen.seed)
    print(outcome.line())
    return 0 if outcome.well else 1


if __name__ == "__main__":
    sys.exit(main())
