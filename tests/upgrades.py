"""Upgrades of one data folder, blue and green in turn behind a real Caddy, while visitors send forms and click."""

import asyncio
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from site2crm.commands import caddyfile
from tests import behind, records
from tests.caddy import caddy
from tests.server import ROOT, Server, free_port

SENDERS, CLICKERS = 6, 4
PAUSE_S = 0.02
"""Between two requests of a visitor: it is about what happens to each, not about how many there are."""
BETWEEN_S = 0.5
SETTLE_S = 60


@dataclass
class Outcome:
    """What visitors were answered, and what came of it."""

    acknowledged: list[str] = field(default_factory=list)
    redirects: int = 0
    refused: list[str] = field(default_factory=list)
    longest_s: float = 0.0
    leads: Counter[str] = field(default_factory=Counter)
    clicks: int = 0
    integrity: str = ""

    @property
    def lost(self) -> set[str]:
        return {email for email in self.acknowledged if not self.leads[email]}

    @property
    def doubled(self) -> set[str]:
        return {email for email, times in self.leads.items() if times > 1}

    @property
    def well(self) -> bool:
        wrong = self.refused or self.lost or self.doubled
        return not wrong and self.clicks == self.redirects and self.integrity == "ok"

    def line(self) -> str:
        return (
            f"{len(self.acknowledged)} forms and {self.redirects} redirects answered, longest {self.longest_s:.2f} s, "
            f"refused {len(self.refused)} {self.refused[:3]}, lost {len(self.lost)}, doubled {len(self.doubled)}, "
            f"clicks counted {self.clicks}, integrity {self.integrity}"
        )


@dataclass(frozen=True)
class Prepared:
    """A data folder with an org, a form and a link, and the headers of its API."""

    data: Path
    headers: dict[str, str]
    form: str
    slug: str
    link_id: str


def prepare(folder: Path) -> Prepared:
    """Made once, copied by each test."""
    server = Server(folder).start()
    try:
        with server.an_org() as api:
            form, link = a_form(api), api.post("/api/v1/links", json={"url": "https://www.example.com/"}).json()
            headers = {"Authorization": api.headers["Authorization"]}
    finally:
        server.stop()
    return Prepared(folder / "data", headers, form, link["slug"], link["id"])


@dataclass
class Pair:
    """Blue and green: two processes of one folder, each with its own port. `serving` holds the folder."""

    folder: Path
    prepared: Prepared
    outside: str = field(default_factory=lambda: f"http://127.0.0.1:{free_port()}")
    ports: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))
    serving: Server = field(init=False)
    number: int = 0

    def __post_init__(self) -> None:
        shutil.copytree(self.prepared.data, self.folder / "data")
        records.copy(self.prepared.data.parent, self.folder)
        self.serving = self.another().start(wait=False)
        self.wait_whole()

    def api(self) -> httpx.Client:
        """Of the one that serves now."""
        return httpx.Client(base_url=self.serving.url, headers=self.prepared.headers, timeout=30)

    @property
    def config(self) -> str:
        return (
            f'public_url = "{self.outside}"\ntrusted_proxies = ["127.0.0.1"]\n'
            "[intake]\nper_address_per_minute = 1000000\n"
        )

    def another(self, *, path: tuple[Path, ...] = ()) -> Server:
        """The next one, not started; it listens where the one that serves does not."""
        port, colour = self.ports[self.number % 2], ("blue", "green")[self.number % 2]
        self.number += 1
        return Server(self.folder, self.config, port=port, flags=("--standby",), log_name=f"{colour}.log", path=path)

    def beside(self, *, path: tuple[Path, ...] = ()) -> Server:
        """Started, and captures."""
        server = self.another(path=path).start(wait=False)
        server.wait_ready("/livez")
        return server

    def upgrade(self, *, path: tuple[Path, ...] = (), kill: bool = False) -> None:
        """What the help says: start the other one, stop this one."""
        follower = self.beside(path=path)
        if kill:
            self.serving.kill()
        else:
            assert self.serving.stop() == 0
        follower.wait_ready()
        self.serving = follower
        self.wait_whole()

    def wait_whole(self) -> None:
        self.serving.wait_ready()
        until = time.monotonic() + SETTLE_S
        while httpx.get(self.serving.url + "/readyz").text != "ok":
            assert time.monotonic() < until, self.serving.log()[-4000:]
            time.sleep(0.05)

    def caddyfile(self) -> str:
        return caddyfile.render(self.outside, [f"127.0.0.1:{port}" for port in self.ports])

    def leads(self) -> Counter[str]:
        return Counter(behind.column(self.folder, "SELECT email FROM lead"))


async def visitors(form: str, link: str, outcome: Outcome, over: asyncio.Event) -> None:
    """Ever new people send the form, others click, until it is over. Whatever is no 2xx or 3xx was refused."""

    async def ask(client: httpx.AsyncClient, method: str, url: str, data: dict[str, str] | None = None) -> int:
        begun = time.monotonic()
        try:
            answer = await client.request(method, url, data=data, timeout=60)
        except httpx.HTTPError as error:
            outcome.refused.append(repr(error))
            return 0
        outcome.longest_s = max(outcome.longest_s, time.monotonic() - begun)
        if not 200 <= answer.status_code < 400:
            outcome.refused.append(f"{method} {answer.status_code}")
        return answer.status_code

    async def send(client: httpx.AsyncClient, worker: int) -> None:
        number = 0
        while not over.is_set():
            number += 1
            email = f"v{worker}-{number}@example.com"
            if await ask(client, "POST", form, {"email": email, "name": f"Visitor {number}"}) in {200, 201}:
                outcome.acknowledged.append(email)
            await asyncio.sleep(PAUSE_S)

    async def click(client: httpx.AsyncClient) -> None:
        while not over.is_set():
            status = await ask(client, "GET", link)
            outcome.redirects += status == 302
            await asyncio.sleep(PAUSE_S)

    agent = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
    async with httpx.AsyncClient(headers=agent) as client:
        await asyncio.gather(
            *(send(client, worker) for worker in range(SENDERS)), *(click(client) for _ in range(CLICKERS))
        )


def run(folder: Path, prepared: Prepared, *, upgrades: int, kill: bool = False) -> Outcome:
    """Upgrade again and again under load, then count."""
    pair, outcome = Pair(folder, prepared), Outcome()
    try:
        with caddy(folder, pair.caddyfile()):
            wait_for(f"{pair.outside}/readyz")
            asyncio.run(_story(pair, outcome, upgrades=upgrades, kill=kill))
            _settle(pair, outcome)
    finally:
        pair.serving.stop()
    outcome.integrity = behind.integrity(folder)
    return outcome


async def _story(pair: Pair, outcome: Outcome, *, upgrades: int, kill: bool) -> None:
    over = asyncio.Event()
    form, link = pair.outside + pair.prepared.form, f"{pair.outside}/{pair.prepared.slug}"
    visiting = asyncio.create_task(visitors(form, link, outcome, over))
    try:
        for _ in range(upgrades):
            await asyncio.sleep(BETWEEN_S)
            await asyncio.to_thread(pair.upgrade, kill=kill)
        await asyncio.sleep(BETWEEN_S)
    finally:
        over.set()
        await visiting


def _settle(pair: Pair, outcome: Outcome) -> None:
    until, asked = time.monotonic() + SETTLE_S, {"metric": "clicks", "link": pair.prepared.link_id, "bots": "all"}
    with pair.api() as api:
        while time.monotonic() < until:
            answer = api.get("/api/v1/analytics/totals", params=asked)
            assert answer.status_code == 200, answer.text
            outcome.clicks, outcome.leads = answer.json()["value"], pair.leads()
            if outcome.clicks >= outcome.redirects and not outcome.lost:
                return
            time.sleep(0.2)


def a_form(api: httpx.Client) -> str:
    """Its path."""
    made = api.post("/api/v1/forms", json={"name": "Contact"})
    assert made.status_code == 201, made.text
    return f"/f/{made.json()['key']}"


def wait_for(url: str) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{url} did not answer")


COLUMN = "    colour: Mapped[str] = mapped_column({default})\n"
MIGRATION = '''"""A migration of a version to come: forms have a colour."""

import time

import sqlalchemy as sa
from alembic import op

revision = "9000"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("form", sa.Column("colour", sa.String(), nullable=False, server_default="blue"))
    time.sleep({takes_s})
    {then}
'''


def next_version(folder: Path, *, takes_s: float = 0.0, then: str = "pass", default: str = 'default="blue"') -> Path:
    """The sources of a version whose forms have one column more; what its PYTHONPATH begins with."""
    shutil.copytree(ROOT / "src", folder / "src")
    shutil.copytree(ROOT / "migrations", folder / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("templates", "static", "packaging"):
        (folder / name).symlink_to(ROOT / name)
    models = folder / "src" / "site2crm" / "forms" / "models.py"
    text = models.read_text()
    at = text.index("    archived_at: ", text.index("class Form("))
    models.write_text(text[:at] + COLUMN.format(default=default) + text[at:])
    versions = folder / "migrations" / "versions"
    before = max(path.name.partition("_")[0] for path in versions.glob("[0-9]*.py"))
    (versions / "9000_colour.py").write_text(MIGRATION.format(before=before, takes_s=takes_s, then=then))
    return folder / "src"
