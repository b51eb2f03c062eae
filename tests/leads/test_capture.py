"""What the consumer makes of submissions: exactly once, one lead per person, nothing lost."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.app import Instance
from site2crm.core import alarms, events
from site2crm.core.journal.contract import Position, Record
from site2crm.core.tables import PoisonRecord
from site2crm.forms.models import Form
from site2crm.leads import capture
from site2crm.leads.events import AcceptedSubmission, SubmissionsAccepted
from site2crm.leads.models import Lead, LeadSearch, Submission
from tests.cast import Person
from tests.leads.posting import a_form, frame, send, store


@pytest.fixture
async def form_id(instance: Instance, alice: Person) -> str:
    return await a_form(instance, alice.org.id)


@pytest.fixture
def heard(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> list[AcceptedSubmission]:
    """What would be delivered."""
    items: list[AcceptedSubmission] = []

    async def listen(session: AsyncSession, event: SubmissionsAccepted) -> None:
        items.extend(event.items)

    monkeypatch.setitem(events._listeners, SubmissionsAccepted, [listen])
    return items


async def rows(instance: Instance, model: type[Any]) -> Sequence[Any]:
    async with instance.machine.session() as session:
        return (await session.scalars(select(model).order_by(model.id))).all()


async def test_a_submission_becomes_a_lead_and_is_told(
    instance: Instance, alice: Person, form_id: str, heard: list[AcceptedSubmission]
) -> None:
    sent = frame(alice.org.id, form_id, email="Ada@Example.com", first_name="Ada", attribution={"utm_source": "google"})
    await send(instance, sent)
    (lead,) = await rows(instance, Lead)
    (submission,) = await rows(instance, Submission)
    assert (lead.email, lead.email_key, lead.status) == ("Ada@Example.com", "ada@example.com", "new")
    assert lead.attribution == {"first": {"utm_source": "google"}, "last": {"utm_source": "google"}}
    assert (submission.lead_id, submission.status, submission.body) == (lead.id, "accepted", sent.body)
    assert [(item.submission_id, item.lead_id) for item in heard] == [(sent.id, lead.id)]


async def test_the_same_submission_counts_once_however_often_it_is_read(
    instance: Instance, alice: Person, form_id: str, heard: list[AcceptedSubmission]
) -> None:
    sent = frame(alice.org.id, form_id, email="ada@example.com")
    await store(instance, sent, sent)
    await store(instance, sent)
    assert [row.id for row in await rows(instance, Submission)] == [sent.id]
    assert [lead.submissions for lead in await rows(instance, Lead)] == [1]
    assert len(heard) == 1


async def test_one_person_in_one_batch_is_one_lead(instance: Instance, alice: Person, form_id: str) -> None:
    await store(
        instance,
        frame(alice.org.id, form_id, email="ada@example.com", message="first", custom={"size": "1", "city": "Bonn"}),
        frame(alice.org.id, form_id, email="ADA@example.com", message="second", company="Acme", custom={"size": "2"}),
    )
    (lead,) = await rows(instance, Lead)
    assert (lead.message, lead.company, lead.custom, lead.submissions) == (
        "second", "Acme", {"size": "2", "city": "Bonn"}, 2,
    )  # fmt: skip
    assert len(await rows(instance, LeadSearch)) == 1


async def test_what_is_known_stays_and_blanks_are_filled(instance: Instance, alice: Person, form_id: str) -> None:
    await store(instance, frame(alice.org.id, form_id, email="ada@example.com", first_name="Ada", company="Acme"))
    await store(
        instance,
        frame(
            alice.org.id, form_id, email="ada@example.com", first_name="Ada", last_name="Sample", company="Other Ltd",
            phone="030 1234567",
        ),
    )  # fmt: skip
    (lead,) = await rows(instance, Lead)
    assert (lead.first_name, lead.last_name, lead.company, lead.phone) == ("Ada", "Sample", "Acme", "030 1234567")


async def test_two_people_behind_one_address_are_not_mixed_into_one_name(
    instance: Instance, alice: Person, form_id: str
) -> None:
    await store(instance, frame(alice.org.id, form_id, email="office@example.com", first_name="Ada"))
    await store(instance, frame(alice.org.id, form_id, email="office@example.com", first_name="Jo", last_name="Brown"))
    (lead,) = await rows(instance, Lead)
    assert (lead.first_name, lead.last_name) == ("Ada", None)


@pytest.mark.parametrize(
    ("first", "second", "leads"),
    [
        ({"phone": "+49 30 1234567"}, {"phone": "0049 30 1234567"}, 1),
        ({"phone": "(030) 123 45 67"}, {"phone": "030 1234567"}, 1),
        ({"phone": "030 1234567", "country": "DE"}, {"phone": "+49 30 1234567"}, 1),
        ({"phone": "12345"}, {"phone": "12345", "message": "again"}, 2),
        ({"phone": "030 1234567"}, {"phone": "030 1234567", "email": "ada@example.com"}, 1),
        ({"phone": "030 1234567", "email": "ada@example.com"}, {"phone": "030 1234567"}, 1),
        ({"phone": "030 1234567", "email": "a@example.com"}, {"phone": "030 1234567", "email": "b@example.com"}, 2),
        ({"email": "a@example.com"}, {"email": "b@example.com"}, 2),
        ({"message": "who?"}, {"message": "who else?"}, 2),
    ],
)
@pytest.mark.parametrize("together", [True, False])
async def test_who_is_the_same_person(
    instance: Instance,
    alice: Person,
    form_id: str,
    first: dict[str, str],
    second: dict[str, str],
    leads: int,
    together: bool,
) -> None:
    frames = [frame(alice.org.id, form_id, **said) for said in (first, second)]
    for batch in [frames] if together else [[one] for one in frames]:
        await store(instance, *batch)
    assert len(await rows(instance, Lead)) == leads


async def test_the_same_body_again_is_kept_but_not_delivered(
    instance: Instance, alice: Person, form_id: str, heard: list[AcceptedSubmission]
) -> None:
    said = {"message": "no address at all", "body": b"message=no+address", "at": 1_000_000.0}
    await store(instance, frame(alice.org.id, form_id, **said), frame(alice.org.id, form_id, **said))
    await store(instance, frame(alice.org.id, form_id, **said | {"at": 1_000_500.0}))
    await store(instance, frame(alice.org.id, form_id, **said | {"at": 1_001_300.0}))
    await store(instance, frame(alice.org.id, form_id, **said | {"at": 1_000_400.0, "address": "198.51.100.0"}))
    stored = await rows(instance, Submission)
    assert sorted(row.status for row in stored) == ["accepted"] * 3 + ["duplicate"] * 2
    assert len({row.lead_id for row in stored}) == 3
    assert len(heard) == 3


async def test_quarantined_and_test_submissions_are_kept_without_a_lead(
    instance: Instance, alice: Person, form_id: str, heard: list[AcceptedSubmission]
) -> None:
    await store(
        instance,
        frame(alice.org.id, form_id, email="bot@example.com", status="quarantined", reason="honeypot", kind="spam"),
        frame(alice.org.id, form_id, email="test@example.com", status="test", kind="test"),
    )
    kept = {(row.status, row.lead_id) for row in await rows(instance, Submission)}
    assert kept == {("quarantined", None), ("test", None)}
    assert await rows(instance, Lead) == []
    assert heard == []


async def test_a_good_submission_clears_needs_review(instance: Instance, alice: Person, form_id: str) -> None:
    await store(instance, frame(alice.org.id, form_id, phone="030 1234567", kind="needs_review"))
    await store(instance, frame(alice.org.id, form_id, phone="030 1234567", email="ada@example.com"))
    (lead,) = await rows(instance, Lead)
    assert lead.status == "new"


async def test_first_touch_stays_and_last_touch_moves(instance: Instance, alice: Person, form_id: str) -> None:
    first = {"first.utm_source": "newsletter", "utm_source": "google"}
    await store(instance, frame(alice.org.id, form_id, email="ada@example.com", attribution=first))
    await store(instance, frame(alice.org.id, form_id, email="ada@example.com", attribution={"utm_source": "bing"}))
    await store(instance, frame(alice.org.id, form_id, email="ada@example.com", message="no attribution"))
    (lead,) = await rows(instance, Lead)
    assert lead.attribution == {"first": {"utm_source": "newsletter"}, "last": {"utm_source": "bing"}}


async def test_the_address_that_a_builder_posts_is_not_kept(instance: Instance, alice: Person, form_id: str) -> None:
    await store(instance, frame(alice.org.id, form_id, email="ada@example.com", ip="203.0.113.77"))
    (submission,) = await rows(instance, Submission)
    assert "ip" not in submission.normalised


async def test_what_cannot_be_read_or_belongs_to_nobody_is_set_aside_and_the_rest_goes_on(
    instance: Instance, alice: Person, form_id: str
) -> None:
    gone = await a_form(instance, alice.org.id, "Gone")
    async with instance.machine.session() as session:
        await session.execute(delete(Form).where(Form.id == gone))
    newer = frame(alice.org.id, form_id, email="newer@example.com")
    newer.version = 99
    await send(
        instance,
        frame(alice.org.id, form_id, email="before@example.com"),
        b"\xc1 no msgpack",
        frame(alice.org.id, gone, email="orphan@example.com"),
        newer,
        frame(alice.org.id, form_id, email="after@example.com"),
    )
    assert {lead.email for lead in await rows(instance, Lead)} == {"before@example.com", "after@example.com"}
    assert len(await rows(instance, PoisonRecord)) == 3
    async with instance.machine.session() as session:
        (alarm,) = await alarms.open_alarms(session, alarms.INSTANCE)
    assert (alarm.code, alarm.count) == (capture.POISON_ALARM, 3)


async def test_the_position_is_stored_with_the_effect_and_forgotten_with_the_journal(
    instance: Instance, alice: Person, form_id: str
) -> None:
    machine = instance.machine
    data = msgspec.msgpack.encode(frame(alice.org.id, form_id, email="ada@example.com"))
    await capture.apply(machine, [Record(Position(1, 0), Position(1, 400), data)], journal=machine.journal)
    assert await capture.load(machine, machine.journal) == Position(1, 400)
    machine.journal.epoch = "another"
    assert await capture.load(machine, machine.journal) is None


async def test_a_refused_batch_leaves_neither_leads_nor_position(
    instance: Instance, alice: Person, form_id: str
) -> None:
    machine = instance.machine
    before = await capture.load(machine, machine.journal)
    good = msgspec.msgpack.encode(frame(alice.org.id, form_id, email="ada@example.com"))
    bad = msgspec.msgpack.encode(frame(alice.org.id, "frm_nobody", email="bob@example.com"))
    records = [Record(Position(1, n), Position(1, n + 1), data) for n, data in enumerate((good, bad))]
    with pytest.raises(IntegrityError) as refused:
        await capture.apply(machine, records, journal=machine.journal)
    assert capture.is_data_error(refused.value)
    assert await rows(instance, Lead) == []
    assert await capture.load(machine, machine.journal) == before


async def test_the_forms_country_makes_phones_international(instance: Instance, alice: Person, form_id: str) -> None:
    await send(instance, frame(alice.org.id, form_id, phone="(202) 555-0143", country="US"))
    (submission,) = await rows(instance, Submission)
    assert submission.normalised["phone"] == "(202) 555-0143"
    assert submission.normalised["phone_e164"] == "+12025550143"
