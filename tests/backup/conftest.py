"""An instance at rest, with something in each of its three stores."""

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from site2crm.accounts.permissions import Role
from site2crm.app import Instance
from site2crm.core import config
from site2crm.core.backup import create
from site2crm.core.backup.create import Made
from site2crm.core.config import Settings
from tests.cast import Cast, an_instance

KEY = base64.b64encode(b"k" * 32).decode()
OTHER_KEY = base64.b64encode(b"o" * 32).decode()


def settings_of(folder: Path, **flags: str) -> Settings:
    chosen = {"data.dir": str(folder / "data"), **{key.replace("__", "."): value for key, value in flags.items()}}
    return config.load(None, env={}, flags=chosen)


def made(settings: Settings, reason: str = "") -> Made:
    return create.create(settings, reason=reason, copy_events=create.copy_events_at_rest)


async def fill(instance: Instance, *, leads: int = 5, clicks: int = 7) -> None:
    """Leads and clicks, all applied."""
    async with AsyncExitStack() as stack:
        alice = await Cast(instance, stack).person("alice", Role.OWNER, "acme")
        form = (await alice.api.post("/api/v1/forms", json={"name": "Contact"})).json()
        link = (await alice.api.post("/api/v1/links", json={"url": "https://www.example.com/"})).json()
        for number in range(leads):
            answer = await alice.api.post(f"/f/{form['key']}", data={"email": f"p{number}@example.com"})
            assert answer.status_code == 201, answer.text
        for _ in range(clicks):
            assert (await alice.api.get(f"/{link['slug']}")).status_code == 302
        await applied(instance)


async def applied(instance: Instance) -> None:
    """Wait until nothing is left in the journal."""
    import asyncio

    while True:
        stats = instance.machine.journal.stats()
        if not stats.submissions.lag_records and not stats.events.lag_records:
            return
        await asyncio.sleep(0.02)


@pytest.fixture
async def at_rest(tmp_path: Path) -> AsyncIterator[Path]:
    """The folder that an instance left; its data is in `data`."""
    async with an_instance(tmp_path) as instance:
        await fill(instance)
    yield tmp_path


@pytest.fixture
def backed_up(at_rest: Path) -> Callable[..., tuple[Settings, Made]]:
    def make(**flags: str) -> tuple[Settings, Made]:
        settings = settings_of(at_rest, **flags)
        return settings, made(settings)

    return make
