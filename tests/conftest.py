"""Fixtures: a whole instance in a folder of its own, and the cast."""

from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from site2crm.accounts.permissions import Role
from site2crm.app import Instance
from tests import cast
from tests.cast import Cast, Person

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a hostile test has logged may hold half characters, which cannot travel between the test processes."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "replace").decode()) for name, text in report.sections]
    return report


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
