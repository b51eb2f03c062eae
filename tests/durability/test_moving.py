"""`site2crm move` killed again and again while it copies: it goes on where it was, and every row arrives once."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from site2crm.accounts.permissions import Role
from site2crm.core import queue
from site2crm.core.config_types import Secret
from tests import cast, records
from tests.cast import Cast
from tests.core.test_moving import everything
from tests.leads.posting import frame, send
from tests.server import environment, run

JOBS = 40_000
LEADS = 50
KILLS = 4
PATIENCE_S = 60
DATABASE = "killed_moves"


@pytest.fixture
def target() -> Iterator[Secret]:
    cluster = records.cluster()
    cluster.psql(f"CREATE DATABASE {DATABASE}")
    yield Secret(cluster.url(DATABASE))
    cluster.drop(DATABASE)


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """The folder of an instance that has served a while."""
    async with AsyncExitStack() as stack, cast.an_instance(tmp_path, database__url="sqlite") as instance:
        alice = await Cast(instance, stack).person("alice", Role.OWNER, "acme")
        form = (await alice.api.post("/api/v1/forms", json={"name": "Contact"})).json()
        await send(instance, *(frame(alice.org.id, form["id"], email=f"p{n}@example.com") for n in range(LEADS)))
        async with instance.machine.session() as session:
            await queue.enqueue_many(session, "gone", [(None, None, {"n": n}) for n in range(JOBS)])
    return tmp_path / "data"


def there(table: str) -> int:
    """Rows in the target; 0 while there is no such table."""
    cluster = records.cluster()
    if cluster.psql(f"SELECT to_regclass('{table}') IS NOT NULL", DATABASE) == "f":
        return 0
    return int(cluster.psql(f"SELECT count(*) FROM {table}", DATABASE))


def words(data: Path, target: Secret) -> list[str]:
    return ["move", "--to", target.reveal(), "--data-dir", str(data)]


def cut_off(data: Path, target: Secret, chance: random.Random) -> int:
    """Killed at some moment after it has gone on. Returns the rows that have arrived."""
    before, until = there("job"), time.monotonic() + PATIENCE_S
    process = subprocess.Popen(
        [sys.executable, "-m", "site2crm", *words(data, target)],
        cwd=data.parent,
        env=environment(),
        stdout=subprocess.DEVNULL,
    )
    while there("job") <= before:
        assert process.poll() is None, "it has ended"
        assert time.monotonic() < until
    time.sleep(chance.uniform(0, 0.1))
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    return there("job")


async def test_a_move_that_is_killed_again_and_again_comes_to_its_end(data: Path, target: Secret) -> None:
    chance, arrived = random.Random(20261122), [0]
    while len(arrived) <= KILLS:
        arrived.append(cut_off(data, target, chance))
    last = run(words(data, target), data.parent)

    assert last.returncode == 0, last.stderr
    assert arrived == sorted(set(arrived))  # each run has gone on from where the one before was
    assert 0 < arrived[-1] < JOBS, "killed too late to have been in the middle"
    before, after = await everything(data / "site2crm.db"), await everything(target)
    assert {name: len(rows) for name, rows in after.items()} == {name: len(rows) for name, rows in before.items()}
    assert after == before
    assert (len(after["job"]), len(after["lead"])) == (JOBS, LEADS)
