"""A fake portal on loopback, and an instance whose HubSpot it is."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from site2crm.app import Instance
from site2crm.connectors.registry import KINDS
from tests import cast
from tests.fakes.hubspot import HubSpotFake
from tests.fakes.sales_crm import NAME, SalesCrm


@pytest.fixture
async def portal() -> AsyncIterator[HubSpotFake]:
    fake = HubSpotFake()
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
async def instance(tmp_path: Path, portal: HubSpotFake) -> AsyncIterator[Instance]:
    flags = {"connectors__hubspot__base_url": portal.url, "outbound__allow_private": '["127.0.0.1/32"]'}
    async with cast.an_instance(tmp_path, **flags) as running:
        yield running


@pytest.fixture
def crm(monkeypatch: pytest.MonkeyPatch) -> SalesCrm:
    """A kind of CRM with owners, pipelines and deals, in the registry while the test runs."""
    made = SalesCrm()
    monkeypatch.setitem(KINDS, NAME, made.kind())
    return made
