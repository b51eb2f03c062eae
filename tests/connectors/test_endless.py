"""A vendor that always says "more" ends a reading with a clear error, whatever its way of saying it."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from site2crm.connectors import turning
from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.registry import KINDS
from site2crm.connectors.sales import Sales
from site2crm.demo.server import Answer, Request
from tests.connectors.kinds import PLAYED, opened

SELL = [name for name, kind in KINDS.items() if kind.sales is not None]
MOST = 5
Liar = Callable[[int], tuple[str, dict[str, Any]]]
"""Of the number of the page: a part of the path that it is about, and what the answer has besides."""

LIARS: dict[str, Liar] = {
    "hubspot": lambda page: ("/crm/owners/", {"results": [], "paging": {"next": {"after": str(page)}}}),
    "zoho": lambda page: ("/users", {"users": [{"id": str(page)}], "info": {"more_records": True}}),
    "nutshell": lambda page: (
        "/users",
        {"users": [{"id": f"{page}-users"}], "meta": {"next": f"https://app.nutshell.com/rest/users?page={page}"}},
    ),
    "pipedrive": lambda page: ("/pipelines", {"data": [], "additional_data": {"next_cursor": str(page)}}),
    "salesforce": lambda page: (
        "/query",
        {"records": [], "totalSize": 1, "done": False, "nextRecordsUrl": f"/services/data/v67.0/query/01g-{page}"},
    ),
}


class Played:
    """A vendor that lies about its owners, with the pages that it was asked for."""

    def __init__(self, fake: Any, liar: Liar) -> None:
        self._honest, self._liar = fake.answer, liar
        self.asked = 0
        self.page = 0
        self.repeats = False
        fake.answer, fake.checked = self.answer, lambda request, answer: None

    def answer(self, request: Request) -> Answer:
        part, body = self._liar(self.page)
        if part not in request.path:
            honest: Answer = self._honest(request)
            return honest
        self.asked += 1
        self.page += 0 if self.repeats else 1
        return Answer(200, body)


@pytest.fixture(params=SELL)
async def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Sales, Played]]:
    monkeypatch.setattr(turning, "MOST_PAGES", MOST)
    kind = KINDS[request.param]
    assert kind.sales is not None
    async with opened(PLAYED[request.param]) as (fake, given, _, _):
        yield kind.sales(given), Played(fake, LIARS[kind.name])


async def test_a_list_of_owners_without_end_is_told(case: tuple[Sales, Played]) -> None:
    sales, played = case
    with pytest.raises(CrmError, match=f"says after {MOST} pages of .* that there are more") as told:
        await sales.directory()
    assert (told.value.kind, told.value.code) == (ErrorClass.RETRY, "endless")
    assert played.asked <= MOST + 1


def test_every_kind_that_sells_is_tried() -> None:
    assert sorted(LIARS) == sorted(SELL)


def test_the_same_page_again_and_again_is_told() -> None:
    pages = turning.Turning("HubSpot", "owners")
    pages.to("a")
    pages.to("b")
    with pytest.raises(CrmError, match="HubSpot gives the same page of owners again and again"):
        pages.to("a")
