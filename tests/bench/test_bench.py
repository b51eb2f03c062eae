"""That the bench can be believed: what fails is told, and each CRM that it plays is read to its end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from site2crm.connectors import registry
from site2crm.connectors.grants import Grant
from site2crm.connectors.sales import Sales
from site2crm.demo.salesforce import INSTANCE_URL, Salesforce
from site2crm.demo.server import FakeServer
from site2crm.demo.zoho import Zoho
from tests.bench import table
from tests.bench.clients import CRMS
from tests.bench.salesrooms.rooms import ROOMS
from tests.bench.table import Row
from tests.connectors.connector_cases import Granted, context

DEALS = 2_500
"""More than any page has."""


def broken(folder: Path) -> Iterator[Row]:
    yield "before", "1 s", "", ""
    raise ValueError("no wrk\nand more")


def good(folder: Path) -> Iterator[Row]:
    yield "after", "2 s", "", ""


def test_a_part_that_fails_is_told_and_the_others_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert table.fill({"one": broken, "two": good}, tmp_path) == 1
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [
        ["before", "1", "s"],
        ["one", "FAILED", "ValueError:", "no", "wrk"],
        ["after", "2", "s"],
        ["FAILED:", "one"],
    ]


def test_columns_stand_below_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert table.fill({"one": good}, tmp_path) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.index("measured") == row.index("2 s")


@pytest.mark.parametrize("kind", ROOMS)
async def test_all_deals_of_a_salesroom_are_read(kind: str) -> None:
    server = ROOMS[kind](DEALS)
    await server.start()
    try:
        settings = CRMS[kind].settings
        given = {"settings": settings, "secrets": settings, "base_url": server.url, "grants": _grants(server)}
        async with context(**given) as (opened, _):
            opens = registry.KINDS[kind].sales
            assert opens is not None
            assert len(await _read(opens(opened))) == DEALS
    finally:
        await server.stop()


async def _read(sales: Sales) -> set[str]:
    ids, cursor, more = set[str](), None, True
    while more:
        page = await sales.deals(None, cursor)
        ids |= {deal.id for deal in page.items}
        cursor, more = page.cursor, page.more
    return ids


def _grants(server: FakeServer) -> Granted | None:
    match server:
        case Salesforce():
            return Granted(Grant(server.sign_in.give_access(), extra={"instance_url": INSTANCE_URL}))
        case Zoho():
            return Granted(Grant(server.token, refresh=server.refresh_token))
    return None
