"""Fixtures: a whole instance in a folder of its own, and the cast."""

import gc
import os
import shutil
from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from xdist.workermanage import WorkerController

from site2crm.accounts.permissions import Role
from site2crm.app import Instance
from site2crm.core.config_types import Secret
from tests import cast, clickhouse, compiled, only_once, records, unallocated
from tests.cast import Cast, Person
from tests.server import STARTS_WARM

SHARED = Path(__file__).resolve().parents[1].parent / "shared"
LONG = (
    "tests/security/test_hostile.py",
    "tests/durability/",
    "tests/security/",
    "tests/browser/",
    "tests/delivery/test_kill.py",
    "tests/backup/",
    "tests/packaging/",
    "tests/core/test_eventstore",
)
"""Files that take long: begun first, so that no process is left alone with one at the end (see the Makefile)."""
MEMORY = Path("/dev/shm")
"""Where the tests' folders are if there is room: no test waits for a disk. A killed process loses as little there as on
a disk; what a lost power costs is tried on a file system of its own (the scoreboard), and on the disk by `make soak`."""
ROOM_BYTES = 6 << 30
LEFT_OUT = pytest.StashKey[dict[str, int]]()
"""How many tests are not run again on PostgreSQL, by reason."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a hostile test has logged may hold half characters, which cannot travel between the test processes."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "replace").decode()) for name, text in report.sections]
    return report


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=(records.SQLITE, records.POSTGRESQL), help="where the records are")
    parser.addoption("--events", choices=(clickhouse.DUCKDB, clickhouse.CLICKHOUSE), help="where the clicks are")


def pytest_configure(config: pytest.Config) -> None:
    only_once.mark(config)
    compiled.share()
    unallocated.begin()
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    os.environ[STARTS_WARM] = "yes"
    if chosen := config.getoption("--database"):
        os.environ[records.VARIABLE] = chosen  # the processes that tests start shall know it too
    if chosen := config.getoption("--events"):
        os.environ[clickhouse.VARIABLE] = chosen


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if records.on_postgresql():
        config.stash[LEFT_OUT] = dict(only_once.leave_out(config, items))
    items.sort(key=lambda item: not str(item.path.relative_to(config.rootpath)).startswith(LONG))


def pytest_collection_finish(session: pytest.Session) -> None:
    """What is imported by now stays: looked through for garbage again and again, it would cost a tenth of the run."""
    if records.on_postgresql() and session.items and not session.config.option.collectonly:
        records.cluster()  # here, not when a test first needs it: it ends with the thread that started it
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if (told := getattr(session.config, "workeroutput", None)) is not None:
        told["left_out"] = session.config.stash.get(LEFT_OUT, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController) -> None:
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    left_out = config.stash.get(LEFT_OUT, {})
    for why, count in sorted(left_out.items(), key=lambda each: -each[1]):
        terminalreporter.write_line(f"not again on PostgreSQL: {count} tests, {why}")


@pytest.fixture(autouse=True, scope="module")
def _databases_of_module(request: pytest.FixtureRequest) -> Generator[None]:
    asked = records.times_asked()
    with records.of_its_own():
        yield
    if only_once.why_of_file(request.path) == only_once.NO_RECORDS:
        assert records.times_asked() == asked, f"{request.path.name} has records: take it from tests/only_once.py"
    assert not Path(str(Secret("any"))).exists(), f"{request.path.name} takes a Secret for a path"


@pytest.fixture(autouse=True)
def _databases_of_test() -> Generator[None]:
    with records.of_its_own():
        yield


@pytest.fixture
async def instance(tmp_path: Path) -> AsyncIterator[Instance]:
    async with cast.an_instance(tmp_path) as running:
        yield running


@pytest.fixture
async def people(instance: Instance) -> AsyncIterator[Cast]:
    async with AsyncExitStack() as stack:
        yield Cast(instance, stack)


@pytest.fixture
async def alice(people: Cast) -> Person:
    return await people.person("alice", Role.OWNER, "acme")


@pytest.fixture
async def bob(people: Cast, alice: Person) -> Person:
    return await people.person("bob", Role.MEMBER, "acme")


@pytest.fixture
async def vera(people: Cast, alice: Person) -> Person:
    return await people.person("vera", Role.VIEWER, "acme")


@pytest.fixture
async def charlie(people: Cast) -> Person:
    return await people.person("charlie", Role.OWNER, "other")


@pytest.fixture
async def nobody(instance: Instance) -> AsyncIterator[httpx.AsyncClient]:
    async with cast.client(instance) as anonymous:
        yield anonymous
