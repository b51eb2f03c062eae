"""Fixtures: a whole instance in a folder of its own, and the cast."""

import os
from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from site2crm.accounts.permissions import Role
from site2crm.app import Instance
from tests import cast, clickhouse, records
from tests.cast import Cast, Person

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


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
    if chosen := config.getoption("--database"):
        os.environ[records.VARIABLE] = chosen  # the processes that tests start shall know it too
    if chosen := config.getoption("--events"):
        os.environ[clickhouse.VARIABLE] = chosen


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL only what touches the records is run again."""
    if records.on_postgresql():
        others = [item for item in items if not _touches_records(item)]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in set(others)]


def _touches_records(item: pytest.Item) -> bool:
    if item.path.stem == "test_plans":
        return False  # they read SQLite's plans
    names = getattr(item, "fixturenames", ())
    return "instance" in names or bool({"Server", "an_instance", "fresh_database"} & vars(item.module).keys())


@pytest.fixture(autouse=True, scope="module")
def _databases_of_module() -> Generator[None]:
    with records.of_its_own():
        yield


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
