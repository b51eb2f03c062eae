"""Who gets a lead and which deal it brings: the rules alone, and as they are set through the API."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from site2crm.connectors import dealing, owners
from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.dealing import DealRule
from site2crm.connectors.owners import OwnerRule, OwnerWay
from site2crm.connectors.sales import Directory, Money, Owner
from site2crm.connectors.sources import LeadValues
from site2crm.core.errors import Invalid
from tests.cast import Person
from tests.fakes.sales_crm import ANNA, BERT, CLEO, GONE, NAME, SalesCrm, directory

PATH = "/api/v1/connections"
LEAD = LeadValues(
    lead_id="led_1",
    email="ada@example.com",
    first_name="Ada",
    custom={"country": "De", "budget": "1.500,50 €"},
    last={"utm_campaign": "spring"},
    submitted_at=datetime(2026, 11, 22, 23, 30, tzinfo=UTC),
)


async def made(person: Person, **given: Any) -> str:
    answer = await person.api.post(PATH, json={"kind": NAME, **given})
    assert answer.status_code == 201, answer.text
    return f"{PATH}/{answer.json()['id']}"


@pytest.mark.parametrize(
    ("rule", "owner"),
    [
        (OwnerRule(), ""),
        (OwnerRule(way=OwnerWay.ONE, owner=ANNA), ANNA),
        (OwnerRule(way=OwnerWay.BY_VALUE, source="custom.country", value_map={"DE": BERT}), BERT),
        (OwnerRule(way=OwnerWay.BY_VALUE, source="utm_campaign", value_map={"autumn": BERT}), ""),
        (OwnerRule(way=OwnerWay.BY_VALUE, source="utm_term", value_map={"x": BERT}, owner=CLEO), CLEO),
        (OwnerRule(way=OwnerWay.ROUND_ROBIN, owners=[ANNA, BERT]), BERT),
        (OwnerRule(way=OwnerWay.ROUND_ROBIN, owners=[ANNA, CLEO]), ANNA),
    ],
)
def test_each_way_of_assigning_names_its_owner(rule: OwnerRule, owner: str) -> None:
    assert owners.chosen(rule, LEAD, directory(), turn=BERT) == (owner, "")
    assert owners.chosen(rule, LEAD, Directory(), turn=BERT) == (owner, "")


def test_turns_go_round() -> None:
    assert [owners.in_turn([ANNA, BERT, CLEO], number) for number in range(4)] == [ANNA, BERT, CLEO, ANNA]
    assert owners.in_turn([], 3) == ""


def test_who_has_left_the_crm_gets_no_turn() -> None:
    assert owners.working([ANNA, GONE, "u8", BERT], directory()) == [ANNA, BERT]
    assert owners.working([GONE], directory()) == []
    assert owners.working([ANNA, "u8"], Directory()) == [ANNA, "u8"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (OwnerRule(way=OwnerWay.ONE, owner=GONE), ("", "Gone Guy")),
        (OwnerRule(way=OwnerWay.ONE, owner="u8"), ("", "u8")),
        (OwnerRule(way=OwnerWay.BY_VALUE, source="custom.country", value_map={"DE": GONE}), ("", "Gone Guy")),
        (
            OwnerRule(way=OwnerWay.BY_VALUE, source="custom.country", value_map={"DE": GONE}, owner=CLEO),
            (CLEO, "Gone Guy"),
        ),
        (OwnerRule(way=OwnerWay.BY_VALUE, source="utm_term", value_map={"x": BERT}, owner=GONE), ("", "Gone Guy")),
        (OwnerRule(way=OwnerWay.ROUND_ROBIN, owners=[GONE, CLEO]), (CLEO, "")),
        (OwnerRule(way=OwnerWay.ROUND_ROBIN, owners=[GONE, "u8"]), ("", "Gone Guy")),
    ],
)
def test_who_has_left_the_crm_gets_nothing(rule: OwnerRule, expected: tuple[str, str]) -> None:
    assert owners.chosen(rule, LEAD, directory(), turn=GONE) == expected


def test_who_is_there_is_known_though_others_of_the_rule_are_not() -> None:
    told = {"DE": "ada@example.com", "AT": "Gone", "CH": "nobody@example.com"}
    known = Directory([Owner("1", "Ada", "ada@example.com", True), Owner("2", "Gone", None, False)])
    rule = owners.settled(OwnerRule(way=OwnerWay.BY_VALUE, source="custom.country", value_map=told), known)
    assert rule.value_map == {"DE": "1", "AT": "2", "CH": "nobody@example.com"}
    assert owners.settled(rule, known) == rule


def test_owners_may_be_named_by_name_or_address() -> None:
    rule = OwnerRule(way=OwnerWay.ROUND_ROBIN, owners=["anna ark", "BERT@crm.example", CLEO, ANNA])
    assert owners.checked(rule, directory()).owners == [ANNA, BERT, CLEO]


def test_a_deal_is_the_same_at_every_try() -> None:
    rule = DealRule(
        enabled=True, title="{first_name|?}: {form|web}", amount="custom.budget", currency="EUR", close_days=30
    )
    planned = dealing.planned(rule, LEAD, ref="dlv_1", owner=ANNA)
    assert planned == dealing.planned(rule, LEAD, ref="dlv_1", owner=ANNA)
    assert (planned.deal.title, planned.deal.value) == ("Ada: web", Money(Decimal("1500.50"), "EUR"))
    assert (planned.deal.close, planned.deal.owner, planned.problems) == (date(2026, 12, 22), ANNA, [])


def test_what_is_no_amount_leaves_a_deal_without_one_and_says_so() -> None:
    planned = dealing.planned(DealRule(enabled=True, amount="custom.country"), LEAD, ref="dlv_1")
    assert planned.deal.value is None
    assert [problem.property for problem in planned.problems] == ["deal amount"]


def test_a_title_is_never_empty_or_endless() -> None:
    assert dealing.planned(DealRule(title="{company}"), LEAD, ref="d").deal.title == "ada@example.com"
    lead = LeadValues(message="x" * 5000)
    assert len(dealing.planned(DealRule(title="{message}"), lead, ref="d").deal.title) == dealing.LONGEST_TITLE


def test_a_stage_brings_its_pipeline() -> None:
    assert dealing.checked(DealRule(stage="in", currency="eur"), directory()) == DealRule(
        pipeline="p2", stage="in", currency="EUR"
    )


@pytest.mark.parametrize(
    ("given", "place", "words"),
    [
        ({"owner": {"way": "one"}}, "owner.owner", "Choose the owner"),
        ({"owner": {"way": "one", "owner": "u7"}}, "owner.owner", "It has Anna Ark, Bert Bow, Cleo Cut."),
        ({"owner": {"way": "one", "owner": "u9"}}, "owner.owner", "no longer active"),
        ({"deal": {"amount": "constant:-500"}}, "deal.amount", "less than nothing"),
        ({"owner": {"way": "round_robin"}}, "owner.owners", "who take turns"),
        ({"owner": {"way": "round_robin", "owners": ["u1", "x"]}}, "owner.owners[1]", "no owner 'x'"),
        ({"owner": {"way": "by_value", "source": "land", "value_map": {"a": "u1"}}}, "owner.source", "custom.land"),
        ({"owner": {"way": "by_value", "source": "company"}}, "owner.value_map", "which value"),
        ({"deal": {"enabled": True, "currency": "EURO"}}, "deal.currency", "ISO 4217"),
        ({"deal": {"enabled": True, "title": "{nam}"}}, "deal.title", "no field 'nam'"),
        ({"deal": {"enabled": True, "amount": "budget"}}, "deal.amount", "custom.budget"),
        ({"deal": {"enabled": True, "amount": "constant:much"}}, "deal.amount", "not an amount"),
        ({"deal": {"enabled": True, "pipeline": "p9"}}, "deal.pipeline", "It has Sales (p1), Service (p2)."),
        ({"deal": {"enabled": True, "pipeline": "p1", "stage": "in"}}, "deal.stage", "It has New (new), Won (won)."),
        ({"deal": {"close_days": -1}}, "deal.close_days", ""),
        ({"form_mappings": {"frm_nobody": {"email": "email"}}}, "form_mappings.frm_nobody", "no form"),
        ({"form_mappings": {"frm_nobody": [{"source": "x", "property": "y"}]}}, "form_mappings.frm_nobody", ""),
    ],
)
async def test_faults_are_named_with_the_cure(
    alice: Person, crm: SalesCrm, given: dict[str, Any], place: str, words: str
) -> None:
    url = await made(alice)
    for answer in (await alice.api.patch(url, json=given), await alice.api.post(PATH, json={"kind": NAME, **given})):
        assert answer.status_code in (400, 422), answer.text
        [error] = answer.json()["errors"]
        assert place in error["field"] and words in error["message"]


async def test_rules_are_stored_shown_and_previewed(alice: Person, crm: SalesCrm) -> None:
    owner = {"way": "round_robin", "owners": ["Anna Ark", BERT]}
    deal = {"enabled": True, "stage": "new", "amount": "constant:500", "currency": "usd", "close_days": 7}
    url = await made(alice, owner=owner, deal=deal)
    shown = (await alice.api.get(url)).json()
    assert shown["owner"] == {"way": "round_robin", "owners": [ANNA, BERT]}
    assert (shown["deal"]["pipeline"], shown["deal"]["currency"]) == ("p1", "USD")
    person, ordered = (await alice.api.post(f"{url}/preview", json={})).json()["requests"]
    assert (f'"owner":"{ANNA}"' in person["body"], '"value":["500","USD"]' in ordered["body"]) == (True, True)
    assert '"title":"Ada Sample, Contact"' in ordered["body"]
    other = {"owner": {"way": "one", "owner": CLEO}, "deal": {"enabled": False}}
    [only] = (await alice.api.post(f"{url}/preview", json=other)).json()["requests"]
    assert f'"owner":"{CLEO}"' in only["body"]
    assert (crm.people, crm.deals) == ({}, {})


async def test_owners_and_pipelines_come_with_the_fields(alice: Person, crm: SalesCrm) -> None:
    url = await made(alice)
    known = (await alice.api.get(f"{url}/fields")).json()
    assert [owner["name"] for owner in known["owners"]] == ["Anna Ark", "Bert Bow", "Cleo Cut", "Gone Guy"]
    assert [stage["id"] for stage in known["pipelines"][0]["stages"]] == ["new", "won"]
    crm.directory_fault = CrmError(ErrorClass.CONFIG, "The right owners.read is missing.")
    tested = (await alice.api.post(f"{url}/test")).json()
    assert (tested["test"]["ok"], tested["state"]) == (True, "active")
    again = (await alice.api.get(f"{url}/fields")).json()
    assert (again["error"], len(again["owners"])) == ("The right owners.read is missing.", 4)


@pytest.mark.parametrize("given", [{"owner": {"way": "one", "owner": "u1"}}, {"deal": {"enabled": True}}])
async def test_a_kind_without_owners_and_deals_takes_no_rules(alice: Person, given: dict[str, Any]) -> None:
    answer = await alice.api.post(PATH, json={"kind": "inbox", **given})
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (422, next(iter(given)))
    assert (await alice.api.post(PATH, json={"kind": "inbox", "owner": {}, "deal": {}})).status_code == 201


async def test_a_form_has_rows_of_its_own(alice: Person, crm: SalesCrm) -> None:
    form = (await alice.api.post("/api/v1/forms", json={"name": "Offer"})).json()["id"]
    url = await made(alice, mapping={"email": "email", "message": "note"})
    own = [{"source": "constant:Offer", "property": "note"}, {"source": "company", "property": "company"}]
    shown = (await alice.api.patch(url, json={"form_mappings": {form: own}})).json()
    assert shown["form_mappings"] == {form: own}
    [of_form] = (await alice.api.post(f"{url}/preview", json={"form": form})).json()["requests"]
    [of_all] = (await alice.api.post(f"{url}/preview", json={"form": ""})).json()["requests"]
    assert ('"note":"Offer"' in of_form["body"], '"company":"Sample Works"' in of_form["body"]) == (True, True)
    assert ("Please call" in of_all["body"], "Sample Works" in of_all["body"]) == (True, False)
    assert (await alice.api.patch(url, json={"form_mappings": {form: None}})).json()["form_mappings"] == {}


def test_faulty_rules_raise_invalid() -> None:
    with pytest.raises(Invalid):
        owners.checked(OwnerRule(way=OwnerWay.ONE), directory())


async def test_a_key_that_may_not_read_leads_gets_none_by_way_of_a_preview(alice: Person, crm: SalesCrm) -> None:
    path = await made(alice)
    key = await alice.api.post("/api/v1/keys", json={"name": "Watch", "scopes": ["connections:read"]})
    headers = {"Authorization": f"Bearer {key.json()['key']}"}
    assert (await alice.api.get(path, headers=headers)).status_code == 200
    for what in ("preview", "dry-run"):
        answer = await alice.api.post(f"{path}/{what}", json={}, headers=headers)
        assert answer.status_code == 403 and "leads:read" in answer.json()["detail"]
    assert (await alice.api.get(f"{path}/records", headers=headers)).status_code == 403
