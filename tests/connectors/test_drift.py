"""What the CRM has no longer is told before a lead fails of it, and no longer once it is mended."""

from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from site2crm.app import Instance
from site2crm.connectors import drift, entering
from site2crm.connectors.contract import CrmError, ErrorClass, FieldDef
from site2crm.connectors.jobs import compare_all
from site2crm.connectors.models import Connection
from site2crm.connectors.registry import KINDS
from site2crm.connectors.sales import Directory
from site2crm.core import alarms
from site2crm.core.queue import JobContext
from tests.cast import Person
from tests.connectors.test_rules import PATH, made
from tests.fakes.hubspot import TOKEN, HubSpotFake
from tests.fakes.sales_crm import ANNA, FIELDS, SalesCrm

ROWS = [
    {"source": "email", "property": "email"},
    {"source": "message", "property": "note"},
    {"source": "custom.size", "property": "size", "transform": "value_map", "value_map": {"big": "l"}},
]


async def told(instance: Instance, person: Person) -> list[str]:
    async with instance.machine.session() as session:
        rung = await alarms.open_alarms(session, person.org.id)
    return [alarm.text for alarm in rung if alarm.code == "mapping_drift"]


async def look(instance: Instance) -> None:
    """As in the night."""
    assert instance.machine.jobs is not None
    await compare_all(JobContext(machine=instance.machine, attempt=1, job_key="night"))
    await instance.machine.jobs.run_due()


def without(key: str, *more: FieldDef) -> list[FieldDef]:
    return [*(field for field in FIELDS if field.key != key), *more]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (without("note"), ["no property note", "Choose another property"]),
        (without("note", FieldDef("note_2", "Note", "text")), ["no property note", "It seems to be note_2 now"]),
        (without("note", replace(FIELDS[5], writable=False)), ["can only be read"]),
        (without("size", replace(FIELDS[6], choices=(("s", "Small"),))), ["“l” is not one of the choices (Small)"]),
        ([*FIELDS, FieldDef("region", "Region", "text", required=True)], ["requires Region", "nothing fills it"]),
    ],
)
async def test_what_changed_in_the_crm_is_shown_and_rung_then_cleared(
    instance: Instance, alice: Person, crm: SalesCrm, fields: list[FieldDef], words: list[str]
) -> None:
    url = await made(alice, mapping=ROWS)
    assert (await alice.api.get(url)).json()["drift"] == []
    crm.fields = fields
    for _ in range(2):
        await alice.api.post(f"{url}/test")
    [found] = (await alice.api.get(url)).json()["drift"]
    assert [word for word in words if word not in found["text"] + found["cure"]] == []
    [alarm] = await told(instance, alice)
    assert words[0] in alarm
    page = f"/o/acme/crms/{url.rpartition('/')[2]}"
    for path in ("/o/acme/crms", page, f"{page}/mapping"):  # once each: where a page tells it, no banner does
        shown = unescape((await alice.web.get(path)).text)
        assert (shown.count(found["cure"]), "Mend the mapping" in shown) == (1, path == "/o/acme/crms")
    crm.fields = FIELDS
    await alice.api.post(f"{url}/test")
    assert ((await alice.api.get(url)).json()["drift"], await told(instance, alice)) == ([], [])


async def test_owners_and_stages_that_are_gone_are_told(instance: Instance, alice: Person, crm: SalesCrm) -> None:
    rules = {"owner": {"way": "one", "owner": ANNA}, "deal": {"enabled": True, "stage": "new"}}
    url = await made(alice, **rules)
    known = crm.directory
    owners = [owner._replace(active=owner.id != ANNA) for owner in known.owners]
    crm.directory = Directory(owners, [known.pipelines[0]._replace(stages=known.pipelines[0].stages[1:])])
    await alice.api.post(f"{url}/test")
    found = (await alice.api.get(url)).json()["drift"]
    assert [(each["place"], each["name"]) for each in found] == [("owner", ANNA), ("deal", "new")]
    assert "And 1 more." in (await told(instance, alice))[0]
    crm.directory = Directory(owners, known.pipelines[1:])
    await alice.api.post(f"{url}/test")
    assert (await alice.api.get(url)).json()["drift"][1]["text"] == "The pipeline p1 is gone from Ledger."
    mended = {"owner": {"way": "none"}, "deal": {"enabled": True, "stage": "in"}}
    assert (await alice.api.patch(url, json=mended)).json()["drift"] == []
    assert await told(instance, alice) == []


async def test_the_nightly_look_finds_it_without_anybody(
    instance: Instance, alice: Person, portal: HubSpotFake
) -> None:
    body = {"kind": "hubspot", "settings": {"token": TOKEN}, "mapping": {"email": "email", "message": "source_note"}}
    url = f"{PATH}/{(await alice.api.post(PATH, json=body)).json()['id']}"
    del portal.properties["source_note"]
    await look(instance)
    assert "no property source_note" in (await told(instance, alice))[0]
    assert "no property source_note" in (await alice.web.get("/o/acme/forms")).text
    portal.tokens.pop(TOKEN)
    await look(instance)
    assert (await alice.api.get(url)).json()["state"] == "parked"


async def test_a_mapping_to_a_deleted_property_is_told_when_it_is_saved(alice: Person, crm: SalesCrm) -> None:
    url = await made(alice)
    saved = (await alice.api.patch(url, json={"mapping": {"email": "email", "message": "gone"}})).json()
    assert [each["name"] for each in saved["drift"]] == ["gone"]


async def test_names_of_forty_characters_are_as_good_as_others(alice: Person, crm: SalesCrm) -> None:
    key = "dcf558aac1ae4e8c4f849ba5e668430d8df9be12"
    crm.fields = [*FIELDS, FieldDef(key, "Budget", "text", custom=True)]
    url = await made(alice, mapping={"email": "email", "message": key})
    shown = (await alice.api.post(f"{url}/preview", json={})).json()
    assert f'"{key}":"Please call me' in shown["requests"][0]["body"]
    assert (await alice.api.get(url)).json()["drift"] == []
    page = (await alice.web.get(f"/o/acme/crms/{url.rpartition('/')[2]}/mapping")).text
    assert f'value="{key}"' in page and "Budget (text, custom)" in page


async def test_a_required_property_that_stays_empty_is_a_problem_of_the_preview(alice: Person, crm: SalesCrm) -> None:
    crm.fields = [*FIELDS, FieldDef("region", "Region", "text", required=True)]
    url = await made(alice, mapping={"email": "email", "custom.region": "region"})
    problems = (await alice.api.post(f"{url}/preview", json={})).json()["problems"]
    assert [problem["property"] for problem in problems] == ["region"]


def test_a_connection_that_was_never_asked_has_no_drift() -> None:
    given: dict[str, Any] = {"form_mappings": {}, "owner_rule": {}, "deal_rule": {}, "directory": {}, "fields": []}
    assert drift.found(Connection(kind="hubspot", mapping=ROWS, **given)) == []


async def test_owners_that_cannot_be_read_leave_the_known_ones(alice: Person, crm: SalesCrm) -> None:
    url = await made(alice, owner={"way": "one", "owner": ANNA})
    crm.directory_fault = CrmError(ErrorClass.CONFIG, "The right owners.read is missing.")
    await alice.api.post(f"{url}/test")
    assert (await alice.api.get(url)).json()["drift"] == []
    page = (await alice.web.get(f"/o/acme/crms/{url.rpartition('/')[2]}/mapping")).text
    assert "The owners could not be read: The right owners.read is missing." in page


@pytest.mark.parametrize(("target", "told"), [("lead", ["deal"]), ("contact", [])])
def test_a_deal_that_the_settings_rule_out_is_told_before_a_lead_fails_of_it(target: str, told: list[str]) -> None:
    kind = KINDS["salesforce"]
    connection = entering.blank(kind, "org_1", id="con_1", account={})
    connection.settings, connection.deal_rule = {"target": target}, {"enabled": True}
    assert [(each.place, each.refused) for each in drift.found(connection)] == [(place, True) for place in told]
    connection.deal_rule = {}
    assert drift.found(connection) == []
