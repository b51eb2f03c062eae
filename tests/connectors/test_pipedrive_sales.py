"""What Pipedrive's sales side has of its own, beside what every CRM must hold to (test_sales_contract)."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from site2crm.connectors.contract import Act, CrmError, ErrorClass
from site2crm.connectors.pipedrive.sales import LOOKED_FOR, PipedriveSales
from site2crm.connectors.sales import Activity, Deal, DealIn, Known, Money, Status
from site2crm.demo.server import Fault
from site2crm.kit import clock, ids
from tests.connectors.pipedrive_cases import calls, error_of, opened
from tests.connectors.selling import missing
from tests.fakes.pipedrive import PipedriveFake
from tests.fakes.playing import playing

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
async def fake() -> AsyncIterator[PipedriveFake]:
    async with playing(PipedriveFake()) as server:
        yield server


@pytest.fixture
async def sales(fake: PipedriveFake) -> AsyncIterator[PipedriveSales]:
    async with opened(fake) as (found, _):
        yield PipedriveSales(found)


async def read_deals(sales: PipedriveSales, cursor: str | None = None) -> tuple[dict[str, Deal], str | None]:
    found: dict[str, Deal] = {}
    while True:
        page = await sales.deals(None, cursor)
        found |= {deal.id: deal for deal in page.items}
        cursor = page.cursor
        if not page.more:
            return found, cursor


async def activities(sales: PipedriveSales, kind: Act) -> list[Activity]:
    page = await sales.activities(kind, None, None)
    assert not page.more
    return list(page.items)


async def test_stages_are_in_order_and_decide_nothing(sales: PipedriveSales) -> None:
    directory = await sales.directory()
    first, second = directory.pipelines
    assert [stage.label for stage in first.stages] == ["Qualified", "Contact made", "Offer"]
    assert {stage.status for stage in [*first.stages, *second.stages]} == {None}
    assert [(owner.name, owner.active) for owner in directory.owners][1:] == [
        ("Ben Seller", True),
        ("Cleo Gone", False),
    ]


async def test_a_deal_comes_with_all_that_pipedrive_tells(fake: PipedriveFake, sales: PipedriveSales) -> None:
    person = fake.add_person(name="Ada")
    with clock.travel(NOW):
        id = fake.add_deal(title="Engine", value=1500.5, currency="USD", person_id=person, owner_id=2, stage_id=4,
                           status="lost", lost_time="2026-11-21T10:15:30Z", expected_close_date="2026-12-31")  # fmt: skip
    found, _ = await read_deals(sales)
    assert found[str(id)] == Deal(
        id=str(id), title="Engine", status=Status.LOST, created_at=NOW, updated_at=NOW, pipeline="2", stage="4",
        owner="2", people=[str(person)], value=Money(Decimal("1500.5"), "USD"), close=date(2026, 12, 31),
        closed_at=datetime(2026, 11, 21, 10, 15, 30, tzinfo=UTC), url=f"https://acme.pipedrive.com/deal/{id}",
    )  # fmt: skip


async def test_archived_and_deleted_deals_are_read_from_their_own_lists(
    fake: PipedriveFake, sales: PipedriveSales
) -> None:
    live, old, gone = fake.add_deal(title="a"), fake.add_deal(title="b", is_archived=True), fake.add_deal(title="c")
    fake.deals.change(fake.deals.rows[gone], {"is_deleted": True})
    found, _ = await read_deals(sales)
    assert {id: deal.status for id, deal in found.items()} == {
        str(live): Status.OPEN, str(old): Status.OPEN, str(gone): Status.DELETED}  # fmt: skip


async def test_each_list_has_a_mark_of_its_own(fake: PipedriveFake, sales: PipedriveSales) -> None:
    """A live deal that changes while the archived ones are read is older than the newest archived one, and not lost."""
    with clock.travel(NOW) as forward:
        fake.add_deal(title="first")
        page = await sales.deals(None, None)
        forward(600)
        between = fake.add_deal(title="between")
        forward(600)
        fake.add_deal(title="archived", is_archived=True)
        _, cursor = await read_deals(sales, page.cursor)
        found, _ = await read_deals(sales, cursor)
    assert str(between) in found


async def test_archived_and_deleted_deals_are_asked_for_once_an_hour(
    fake: PipedriveFake, sales: PipedriveSales
) -> None:
    with clock.travel(NOW) as forward:
        _, cursor = await read_deals(sales)
        fake.requests.clear()
        for _ in range(4):
            forward(900)
            _, cursor = await read_deals(sales, cursor)
    paths = [path for _, path, _ in calls(fake)]
    assert (paths.count("v2/deals"), paths.count("v2/deals/archived")) == (5, 1)


async def test_reading_goes_on_five_minutes_before_and_without_milliseconds(
    fake: PipedriveFake, sales: PipedriveSales
) -> None:
    with clock.travel(NOW):
        fake.add_deal(title="first")
        _, cursor = await read_deals(sales)
        fake.requests.clear()
        await sales.deals(None, cursor)
    assert fake.requests[0].query["updated_since"] == "2026-11-22T11:55:00Z"
    fake.requests.clear()
    await sales.deals(datetime(2026, 11, 1, 10, 0, 0, 123456, tzinfo=UTC), None)
    assert fake.requests[0].query["updated_since"] == "2026-11-01T10:00:00Z"


async def test_a_page_that_pipedrive_forgot_is_read_from_the_mark_on(
    fake: PipedriveFake, sales: PipedriveSales
) -> None:
    made = {str(fake.add_deal(title=f"d{n}")) for n in range(502)}
    page = await sales.deals(None, None)
    assert page.more
    assert page.cursor
    body = {"success": False, "error": "Validation failed: cursor: Parameter 'cursor' is invalid"}
    fake.faults.append(Fault("status", status=400, body=body))
    found, _ = await read_deals(sales, page.cursor)
    assert {deal.id for deal in page.items} | found.keys() == made


@pytest.mark.parametrize("cursor", ["", "nonsense", "[]", '{"list":"else"}', '{"marks":{"live":"x"}}'])
async def test_a_cursor_that_cannot_be_read_begins_anew(
    fake: PipedriveFake, sales: PipedriveSales, cursor: str
) -> None:
    id = fake.add_deal(title="a")
    found, _ = await read_deals(sales, cursor)
    assert str(id) in found


async def test_calls_and_meetings_are_told_apart_by_the_types_that_the_admin_named(fake: PipedriveFake) -> None:
    for type in ("call", "phone_call", "meeting", "lunch", "email", "task"):
        fake.add_activity(type=type, subject=type)
    settings = {"call_types": "call, Phone_call", "meeting_types": "lunch"}
    async with opened(fake, settings=settings) as (found, _):
        sales = PipedriveSales(found)
        found_calls, meetings = await activities(sales, Act.CALL), await activities(sales, Act.MEETING)
    assert [activity.id for activity in found_calls] == ["1", "2"]
    assert [activity.id for activity in meetings] == ["4"]


@pytest.mark.parametrize(
    ("given", "at", "seconds"),
    [
        ({"due_date": "2026-11-20", "due_time": "10:00", "duration": "00:30"}, (2026, 11, 20, 10, 0), 1800),
        ({"due_date": "2026-11-20", "due_time": "10:00:30", "duration": "01:00:05"}, (2026, 11, 20, 10, 0, 30), 3605),
        ({"due_date": "2026-11-20"}, (2026, 11, 20), None),
        ({"due_date": "", "marked_as_done_time": "2026-11-19T08:00:00Z"}, (2026, 11, 19, 8), None),
        ({"due_date": "", "duration": "long"}, (2026, 11, 22, 12), None),
    ],
)
async def test_an_activity_is_at_its_due_time(
    fake: PipedriveFake, sales: PipedriveSales, given: dict[str, Any], at: tuple[int, ...], seconds: int | None
) -> None:
    with clock.travel(NOW):
        fake.add_activity(**given)
    [activity] = await activities(sales, Act.CALL)
    assert (activity.at, activity.seconds) == (datetime(*at, tzinfo=UTC), seconds)  # type: ignore[arg-type, misc]


async def test_the_main_participant_comes_first(fake: PipedriveFake, sales: PipedriveSales) -> None:
    fake.add_activity(participants=[{"person_id": 5, "primary": False}, {"person_id": 7, "primary": True}])
    fake.add_activity(person_id=9)
    fake.add_activity(done=False, is_deleted=True)
    first, second, third = await activities(sales, Act.CALL)
    assert (first.people, second.people, third.people) == (["7", "5"], ["9"], [])
    assert ([a.done for a in (first, second, third)], third.deleted) == ([True, True, False], True)


async def test_a_deal_is_made_with_all_that_is_said(fake: PipedriveFake, sales: PipedriveSales) -> None:
    person = fake.add_person(name="Ada")
    wanted = DealIn("dlv_1", "Engine", Money(Decimal(1500), "USD"), pipeline="1", stage="4", close=date(2026, 12, 31),
                    owner="2")  # fmt: skip
    written = await sales.add_deal(wanted, str(person))
    assert (written.error, written.url) == (None, f"https://acme.pipedrive.com/deal/{written.id}")
    [row] = fake.deals.rows.values()
    assert {name: row[name] for name in ("pipeline_id", "stage_id", "value", "currency", "owner_id", "person_id")} == {
        "pipeline_id": 2, "stage_id": 4, "value": 1500, "currency": "USD", "owner_id": 2, "person_id": person}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "field"),
    [({"value": Money(Decimal(1), "XTS")}, "currency"), ({"stage": "99"}, "stage_id"), ({"owner": "99"}, "owner_id")],
)
async def test_what_pipedrive_refuses_of_a_deal_is_named(
    fake: PipedriveFake, sales: PipedriveSales, given: dict[str, Any], field: str
) -> None:
    error = error_of(await sales.add_deal(DealIn("dlv_1", "Engine", **given), str(fake.add_person(name="Ada"))))
    assert (error.kind, error.field, fake.deals.rows) == (ErrorClass.PERMANENT, field, {})


@pytest.mark.parametrize("path", ["/deals", "/notes"])
@pytest.mark.parametrize("kind", ["reset", "half"])
async def test_two_leads_with_the_same_title_make_two_deals_whatever_is_lost(
    fake: PipedriveFake, sales: PipedriveSales, path: str, kind: Any
) -> None:
    person = str(fake.add_person(name="Ada"))
    first, second = DealIn(ids.new("dlv"), "Web lead: Ada"), DealIn(ids.new("dlv"), "Web lead: Ada")
    fake.faults.append(Fault(kind, method="POST", path=path, effect=True))
    assert error_of(await sales.add_deal(first, person)).kind is ErrorClass.RETRY
    assert (await sales.add_deal(second, person)).error is None
    assert (await sales.add_deal(first, person)).error is None
    assert (await sales.add_deal(first, person)).created is False
    assert (len(fake.deals.rows), len(fake.notes.rows)) == (2, 2)


async def test_a_deal_is_found_again_whatever_became_of_the_spaces_in_its_title(
    fake: PipedriveFake, sales: PipedriveSales
) -> None:
    wanted = DealIn(ids.new("dlv"), "Web lead:  Ada ")
    person = fake.add_person(name="Ada")
    lost = fake.add_deal(title="Web lead: Ada", person_id=person)
    written = await sales.add_deal(wanted, str(person))
    assert (written.created, written.id) == (False, str(lost))


@pytest.mark.parametrize("begun", [None, timedelta(), -timedelta(hours=1)], ids=["never tried", "tried", "before"])
async def test_a_deal_of_another_title_is_ours_only_if_a_program_made_it_since_we_tried(
    fake: PipedriveFake, sales: PipedriveSales, begun: timedelta | None
) -> None:
    person = fake.add_person(name="Ada")
    with clock.travel(clock.now() - timedelta(minutes=30)):
        theirs = fake.add_deal(title="Zap", person_id=person)
    by_hand = fake.add_deal(title="Typed", person_id=person)
    fake.deals.rows[by_hand]["origin"] = "ManuallyCreated"
    wanted = DealIn(ids.new("dlv"), "Web lead", tried_at=None if begun is None else clock.now() + begun)
    written = await sales.add_deal(wanted, str(person))
    assert written.created is (begun != -timedelta(hours=1))
    assert written.id != str(by_hand)
    assert (written.id == str(theirs)) is not written.created


async def test_a_deal_that_another_users_program_made_since_we_tried_is_not_taken_for_ours(
    fake: PipedriveFake, sales: PipedriveSales
) -> None:
    person = fake.add_person(name="Ada")
    theirs = fake.add_deal(title="Zap", person_id=person, creator_user_id=2)
    written = await sales.add_deal(DealIn(ids.new("dlv"), "Web lead", tried_at=clock.now()), str(person))
    assert (written.created, written.id != str(theirs)) == (True, True)
    assert [note["deal_id"] for note in fake.notes.rows.values()] == [int(str(written.id))]


async def test_a_deal_that_a_person_made_before_is_not_taken_for_ours(
    fake: PipedriveFake, sales: PipedriveSales
) -> None:
    person = fake.add_person(name="Ada")
    with clock.travel(clock.now() - timedelta(days=1)):
        theirs = fake.add_deal(title="Web lead: Ada", person_id=person)
    written = await sales.add_deal(DealIn(ids.new("dlv"), "Web lead: Ada"), str(person))
    assert (written.created, written.id != str(theirs)) == (True, True)


async def test_many_persons_are_asked_for_a_hundred_at_a_time(fake: PipedriveFake, sales: PipedriveSales) -> None:
    there = [str(fake.add_person(name=f"P{n}")) for n in range(150)]
    asked = [*there, "9999", "not-an-id"]
    assert await missing(sales, asked) == ["9999", "not-an-id"]
    assert [path for _, path, _ in calls(fake)] == ["v2/persons", "v2/persons", "v2/persons/9999"]


async def test_who_was_merged_is_whoever_has_the_address(fake: PipedriveFake, sales: PipedriveSales) -> None:
    merged, kept, later = (fake.add_person(name="Ada", emails=[{"value": "ada@example.com"}]) for _ in range(3))
    lost = fake.add_person(name="Bob", emails=[{"value": "bob@example.com"}])
    for gone in (merged, lost):
        fake.persons.change(fake.persons.rows[gone], {"is_deleted": True})
    asked = [
        Known(str(merged), "ada@example.com"),
        Known(str(lost), "bob@example.com"),
        Known(str(later), "x@example.com"),
    ]
    assert await sales.whereabouts(asked) == {str(merged): str(kept), str(later): str(later)}


async def test_when_all_are_gone_not_each_is_searched_for(fake: PipedriveFake, sales: PipedriveSales) -> None:
    asked = [Known(str(9000 + n), f"p{n}@example.com") for n in range(60)]
    assert await sales.whereabouts(asked) == {}
    assert sum(path.endswith("persons/search") for _, path, _ in calls(fake)) == LOOKED_FOR


async def test_a_missing_scope_for_deals_is_named(fake: PipedriveFake, sales: PipedriveSales) -> None:
    body = {"success": False, "error": "Scope and URL mismatch"}
    fake.faults.append(Fault("status", status=403, body=body))
    with pytest.raises(CrmError, match="deals:full") as error:
        await sales.deals(None, None)
    assert error.value.kind is ErrorClass.CONFIG
