"""One table of what finds whom, for every way the list has of looking: all, the newest, the index."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.app import Instance
from site2crm.core import fulltext
from site2crm.leads import finding, search, service
from site2crm.leads.finding import Wanted
from site2crm.leads.service import LeadPatch
from tests.cast import Person
from tests.leads.posting import a_form, frame, store

PEOPLE = [
    {"email": "ada.lovelace@analytical.example", "first_name": "Ada", "last_name": "Lovelace", "phone": "+12025550143"},
    {"email": "jurgen@straße.example", "first_name": "Jürgen", "last_name": "Groß", "company": "Müller & Söhne GmbH"},
    {"email": "taro@nihon.example", "first_name": "太郎", "last_name": "山田", "message": "見積もりをお願いします"},
    {"email": "ivan@primer.example", "first_name": "Иван", "last_name": "Петров", "custom": {"Город": "Москва"}},
    {"phone": "(030) 123 45 67", "message": 'Robert"); DROP TABLE lead;-- 100% _off_'},
]
KEYS = [str(one.get("email", one.get("phone"))) for one in PEOPLE]
CASES = [
    ("ada", [0]),
    ("LOVE", [0]),
    ("ada.lovelace@analytical.example", [0]),
    ("analytical", [0]),
    ("ada groß", []),
    ("lovelace ada", [0]),
    ("202 555 0143", [0]),
    ("+1 (202) 555-0143", [0]),
    ("2025550143", [0]),
    ("jurgen gross", [1]),
    ("JÜRGEN GROSS", [1]),
    ("muller sohne", [1]),
    ("山田", [2]),
    ("田", [2]),
    ("お願い", [2]),
    ("петр", [3]),
    ("москва", [3]),
    ("0301234567", [4]),
    ("drop table", [4]),
    ("off", [4]),
    ('"', [0, 1, 2, 3, 4]),
    ("_org", []),
    ("frm", []),
    ("source", []),
    ("status new", []),
    ("nobody", []),
    ("example", [0, 1, 2, 3]),
]


@pytest.fixture(params=["all", "newest", "index"])
async def session(
    instance: Instance, alice: Person, charlie: Person, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[AsyncSession]:
    """Alice's and Charlie's orgs hold the same people; the limits decide which way is taken."""
    for org in (alice.org, charlie.org):
        form_id = await a_form(instance, org.id)
        await store(instance, *(frame(org.id, form_id, at=1e9 + n, **said) for n, said in enumerate(PEOPLE)))
    monkeypatch.setattr(finding, "LOOKED_THROUGH", {"all": 1_000, "newest": 4, "index": 1}[request.param])
    async with instance.machine.session() as session:
        yield session


async def test_a_search_finds(session: AsyncSession, alice: Person) -> None:
    found = {}
    for q, _ in CASES:
        leads = (await finding.page(session, alice.org.id, Wanted(q=q))).data
        found[q] = [KEYS.index(lead.email or lead.phone or "") for lead in reversed(leads)]
    assert found == dict(CASES)


async def test_a_search_pages_without_gap_or_repeat(session: AsyncSession, alice: Person) -> None:
    seen, cursor = [], None
    while True:
        page = await finding.page(session, alice.org.id, Wanted(q="example"), limit=1, cursor=cursor)
        seen += [lead.email for lead in page.data]
        cursor = page.page.next_cursor
        if cursor is None:
            break
    assert seen == [PEOPLE[n]["email"] for n in (3, 2, 1, 0)]


async def test_what_was_edited_is_found_under_its_new_words_only(
    instance: Instance, session: AsyncSession, alice: Person
) -> None:
    (lead,) = (await finding.page(session, alice.org.id, Wanted(q="ada"))).data
    async with instance.machine.session() as writing:
        await service.change(writing, alice.org.id, lead.id, patch=LeadPatch(first_name="Grace", email=None))
    async with instance.machine.session() as after:
        assert (await finding.page(after, alice.org.id, Wanted(q="ada"))).data == []
        assert [found.id for found in (await finding.page(after, alice.org.id, Wanted(q="grace"))).data] == [lead.id]


async def test_what_was_deleted_is_not_found(instance: Instance, session: AsyncSession, alice: Person) -> None:
    (lead,) = (await finding.page(session, alice.org.id, Wanted(q="ada"))).data
    async with instance.machine.session() as writing:
        await service.erase(writing, alice.org.id, [lead.id])
    async with instance.machine.session() as after:
        assert (await finding.page(after, alice.org.id, Wanted(q="ada"))).data == []


def test_a_form_id_from_the_address_bar_cannot_leave_its_quotes() -> None:
    asked = search.question("org_00000000000000000000ABCDEF", q='a" OR b', form_id='x" OR "y', source='" NOT z')
    assert fulltext.match(asked.parts) == (
        '"abcdef_xory" AND "abcdef_source_notz" AND "abcdefa" * AND "abcdefor" * AND "abcdefb" *'
    )


async def test_filters_narrow_a_search(instance: Instance, alice: Person) -> None:
    first, second = await a_form(instance, alice.org.id), await a_form(instance, alice.org.id, "Second")
    google, bing = {"attribution": {"utm_source": "Google Ads"}}, {"attribution": {"utm_source": "bing"}}
    await store(
        instance,
        frame(alice.org.id, first, email="a@example.com", **google),
        frame(alice.org.id, second, email="b@example.com", **bing),
        frame(alice.org.id, first, email="c@example.com", kind="needs_review", **bing),
        frame(alice.org.id, second, email="a@example.com", **bing),
    )

    async def found(**asked: str) -> list[str]:
        answer = await alice.api.get("/api/v1/leads", params=asked)
        return [lead["email"][0] for lead in answer.json()["data"]]

    assert await found(form=first) == ["c", "a"]
    assert await found(form=second) == ["b", "a"]
    assert await found(utm_source="google ads") == ["a"]
    assert await found(utm_source="bing", form=first) == ["c", "a"]
    assert await found(q="example", status="needs_review") == ["c"]
    assert await found(q="example", status="archived") == []
    assert await found(email="B@example.com") == ["b"]
    assert await found(email="b@example.com", form=first) == []
    assert await found(email="b@example.com", q="nobody") == []
