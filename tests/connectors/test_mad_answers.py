"""A CRM out of its mind: honest answers in which anything may be anything else. A connector says so, in a sentence.

What it gives all the same can be stored: text that is text, amounts that are numbers, times with a zone.
"""

import copy
import json
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from site2crm.connectors import opening, registry, wire
from site2crm.connectors.contract import Account, Connector, CrmError, Kind
from site2crm.connectors.registry import KINDS
from site2crm.connectors.sales import DealIn, Directory, Known, Money, Page, Sales
from site2crm.demo.server import Answer, Request
from site2crm.kit import ids
from tests.connectors.connector_cases import ada, context
from tests.connectors.kinds import PLAYED

SEEDS, MOST_PAGES = 4, 5
RAW = {"~half~": b'"a\xff\xed\xa0\x80"', "~long~": b"9" * 5_000, "~far~": b"1e400"}
"""What no JSON library writes."""
MAD: list[Any] = [
    None, True, -1, 0, 1.5, 1e308, float("nan"), float("inf"), 10**30, -(10**30), 253_402_300_800_000, "", "-1", "\u00b2",
    "x\0y", "\ud800", "\u202e", "=1+1", "<script>", "1e400", "1E+999999999", "0000-00-00", "10000-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999+14:00", "0001-01-01T00:00:00+14:00", "A" * 100_000, [], {}, [None], [[]], [{}], {"a": 1}, *RAW,
]  # fmt: skip


def places(body: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document at which something else could stand."""
    inside = body.items() if isinstance(body, dict) else enumerate(body[:20]) if isinstance(body, list) else ()
    for key, value in inside:
        yield (*above, key)
        yield from places(value, (*above, key))


def spoilt(body: Any, chance: random.Random) -> bytes:
    body = copy.deepcopy(body)
    if found := list(places(body)):
        *way, last = chance.choice(found)
        inside = body
        for key in way:
            inside = inside[key]
        inside[last] = chance.choice(MAD)
    written = json.dumps(body).encode()
    for name, raw in RAW.items():
        written = written.replace(json.dumps(name).encode(), raw)
    return written


def miscounted(header: str, chance: random.Random) -> str:
    """Numbers that are none, or none that a limit can have."""
    return re.sub(r"\d+", lambda _: chance.choice(("9" * 12, "9" * 5_000, "-1", "1.5", "")), header)


@dataclass
class Mad:
    """The server of a kind, sane until it is let `loose`."""

    fake: Any
    connector: Connector
    sales: Sales | None
    person: str
    acts: frozenset[Any]

    def loose(self, seed: str) -> None:
        chance, honest = random.Random(seed), type(self.fake).answer
        often = chance.choice((1.0, 0.5, 0.2))

        def answer(request: Request) -> Answer:
            told: Answer = honest(self.fake, request)
            if told.body is None or isinstance(told.body, bytes) or chance.random() > often:
                return told
            headers = {name: miscounted(value, chance) for name, value in told.headers.items()}
            return Answer(told.status, spoilt(told.body, chance), headers)

        self.fake.answer, self.fake.checked = answer, lambda request, answer: None

    async def everything(self) -> AsyncIterator[Any]:
        yield await said(self.connector.verify)
        yield await said(lambda: self.connector.fields(Kind.PERSON))
        yield await said(lambda: self.connector.upsert_people([ada()]))
        if (sales := self.sales) is None:
            return
        yield await said(sales.directory)
        yield await said(lambda: pages(lambda cursor: sales.deals(None, cursor)))
        for act in self.acts:
            yield await said(lambda act=act: pages(lambda cursor: sales.activities(act, None, cursor)))
        yield await said(lambda: sales.add_deal(DealIn(ids.new("dlv"), "Offer", Money(Decimal(5), "EUR")), self.person))
        yield await said(lambda: sales.whereabouts([Known(self.person, "ada@example.com"), Known("77", "b@x.example")]))


async def said(ask: Callable[[], Awaitable[Any]]) -> Any:
    """The answer, or why there is none. Whatever else is raised fails the test."""
    try:
        return await ask()
    except CrmError as error:
        return error


async def pages(read: Callable[[str | None], Awaitable[Page[Any]]]) -> list[Any]:
    found: list[Any] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await read(cursor)
        found += [*page.items, page.total]
        cursor = page.cursor
        if not page.more:
            break
    return found


def unfit(thing: Any) -> Iterator[object]:
    """What of it no database would take."""
    match thing:
        case CrmError():
            yield from unfit(thing.text)
        case str():
            if thing.encode("utf-8", "replace").decode() != thing:
                yield thing[:40]
        case Decimal() if not thing.is_finite():
            yield thing
        case bool() | int() | None | Decimal():
            return
        case datetime():
            if thing.tzinfo is None:
                yield thing
        case date():
            return
        case _:
            yield from (odd for part in _parts(thing) for odd in unfit(part))


def _parts(thing: Any) -> list[Any]:
    if is_dataclass(thing):
        return [getattr(thing, field.name) for field in fields(thing)]
    if isinstance(thing, dict):
        return [*thing.keys(), *thing.values()]
    assert isinstance(thing, list | tuple | frozenset), f"{type(thing).__name__} is no plain value"
    return list(thing)


@pytest.fixture(params=[name for name in KINDS if PLAYED[name].server is not None])
async def mad(request: pytest.FixtureRequest) -> AsyncIterator[Mad]:
    kind, played = KINDS[request.param], PLAYED[request.param]
    assert played.server is not None
    async with AsyncExitStack() as stack:
        fake = played.server()
        await fake.start()
        stack.push_async_callback(fake.stop)
        person = ""
        if (floor := played.selling) is not None:
            person = floor.add_person(fake)
            owner = floor.add_owner(fake, "Ada", "Byron", active=True)
            for number in range(3):
                floor.add_deal(
                    fake, title=f"Offer {number}", amount="12.50", currency="EUR", person=person, owner=owner
                )
            for act in kind.caps.activities:
                floor.add_activity(fake, act, owner=owner, person=person)
        grants = played.grants(fake) if played.grants else None
        settings = {name: value.format(url=fake.url) for name, value in played.settings.items()}
        opened, _ = await stack.enter_async_context(
            context(settings=settings, secrets=played.secrets, base_url=fake.url, grants=grants)
        )
        sales = kind.sales(opened) if kind.sales else None
        acts = kind.caps.activities if sales else frozenset()
        yield Mad(fake, registry.connect(kind.name, opened), sales, person, acts)


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_whatever_an_answer_holds_is_read_or_refused_in_words(mad: Mad, seed: int) -> None:
    mad.loose(f"{type(mad.fake).__name__} {seed}")
    async for given in mad.everything():
        assert list(unfit(given)) == []
        if isinstance(given, Directory | Account):
            assert msgspec.json.encode(given)  # they are kept as JSON


@pytest.mark.parametrize("raw", [b'{"a": "\xff"}', b'{"a": "\\ud800"}', b'{"a": ' + b"9" * 5_000, b"[" * 200_000, b""])
def test_what_is_no_json_is_none(raw: bytes) -> None:
    assert wire.decoded(raw) is None
    assert wire.json_object(raw) is None


@pytest.mark.parametrize(("told", "number"), [(7, 7), (-1, -1), (10**30, None), ("7", None), (1.5, None), (None, None)])
def test_a_count_is_a_number_that_a_list_may_have(told: object, number: int | None) -> None:
    assert wire.whole(told) == number


async def test_a_bug_of_ours_is_an_answer_to_whoever_tests_a_connection() -> None:
    class Buggy:
        async def verify(self) -> Account:
            raise KeyError("id")

    checked = await opening.examine(Buggy())  # type: ignore[arg-type]
    assert checked.error == "An error on our side: KeyError. It is in the log."
    assert not checked.needs_a_person
