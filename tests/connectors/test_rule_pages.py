"""Owner, deal, the rows of single forms and the dry run, on their pages and without JavaScript."""

from typing import Any

import pytest

from site2crm.app import Instance
from site2crm.core.access import OrgRef
from tests.cast import Person
from tests.connectors.test_pages import connected, posted, row
from tests.delivery.conftest import Office
from tests.fakes.sales_crm import ANNA, BERT, NAME, SalesCrm

EMAIL = row("email", "email")


def api(path: str) -> str:
    return f"/api/v1/connections/{path.rpartition('/')[2]}"


async def test_owner_and_deal_are_edited_previewed_and_kept(alice: Person, crm: SalesCrm) -> None:
    path = await connected(alice, NAME)
    fields = [
        *EMAIL,
        *[("owner_way", "by_value"), ("owner_source", "utm_source"), ("owner", BERT)],
        *[("owner_map", "newsletter = Anna Ark;\r\nads = bert@crm.example"), ("owner_overwrite", "1")],
        *[("deal_enabled", "1"), ("deal_stage", "p1\r\nnew"), ("deal_title", "{name} of {company|nobody}")],
        *[("deal_amount", "constant"), ("deal_amount_text", "250"), ("deal_currency", "eur")],
        ("deal_close_days", "14"),
    ]
    shown = (await posted(alice, f"{path}/mapping", [*fields, ("act", "preview")])).text
    assert "Ada Sample of Sample Works" in shown and f"&#34;owner&#34;: &#34;{ANNA}&#34;" in shown
    assert (await posted(alice, f"{path}/mapping", [*fields, ("act", "save")])).status_code == 303
    saved = (await alice.api.get(api(path))).json()
    pairs = {"newsletter": ANNA, "ads": BERT}
    owner = {"way": "by_value", "owner": BERT, "source": "utm_source", "value_map": pairs, "overwrite": True}
    assert saved["owner"] == owner
    assert saved["deal"] == {
        "enabled": True, "pipeline": "p1", "stage": "new", "title": "{name} of {company|nobody}",
        "amount": "constant:250", "currency": "EUR", "close_days": 14,
    }  # fmt: skip
    page = (await alice.web.get(f"{path}/mapping")).text
    assert "newsletter = Anna Ark; ads = Bert Bow" in page and 'value="250"' in page
    again = [*EMAIL, ("owner_way", "round_robin"), ("owners", ANNA), ("owners", BERT), ("act", "save")]
    await posted(alice, f"{path}/mapping", again)
    saved = (await alice.api.get(api(path))).json()
    assert (saved["owner"], saved["deal"]) == ({"way": "round_robin", "owners": [ANNA, BERT]}, {})
    assert (crm.people, crm.deals) == ({}, {})


async def test_what_somebody_else_saved_meanwhile_is_undone_only_by_saving_twice(alice: Person, crm: SalesCrm) -> None:
    path = await connected(alice, NAME)

    def seen(page: str) -> tuple[str, str]:
        return ("seen", page.partition('name="seen" value="')[2].partition('"')[0])

    async def owner() -> Any:
        return (await alice.api.get(api(path))).json()["owner"]

    opened = seen((await alice.web.get(f"{path}/mapping")).text)
    hers = [*EMAIL, ("owner_way", "one"), ("owner", ANNA), opened, ("act", "save")]
    his = [*EMAIL, ("owner_way", "one"), ("owner", BERT)]
    assert (await posted(alice, f"{path}/mapping", hers)).status_code == 303
    shown = (await posted(alice, f"{path}/mapping", [*his, opened, ("act", "preview")])).text
    assert seen(shown) == opened
    refused = await posted(alice, f"{path}/mapping", [*his, opened, ("act", "save")])
    assert (refused.status_code, "Not saved: this mapping was changed elsewhere" in refused.text) == (409, True)
    assert (await owner())["owner"] == ANNA
    assert (await posted(alice, f"{path}/mapping", [*his, seen(refused.text), ("act", "save")])).status_code == 303
    assert (await owner())["owner"] == BERT


async def test_who_may_only_look_reads_the_mapping_and_has_nothing_to_fill_in(
    alice: Person, vera: Person, crm: SalesCrm
) -> None:
    path = await connected(alice, NAME)
    await posted(alice, f"{path}/mapping", [*EMAIL, ("deal_enabled", "1"), ("act", "save")])
    hers, his = [(await person.web.get(f"{path}/mapping")).text for person in (alice, vera)]
    for control in ('name="row"', 'name="owner_way"', 'name="deal_title"', "Add row", "Save mapping"):
        assert control not in his
    assert "Save mapping" in hers and "Add row" in hers
    assert "What will be sent" in his and "One for each lead" in his and "E-mail" in his


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ([("owner_way", "one")], "Choose the owner."),
        ([("owner_way", "by_value"), ("owner_source", "company"), ("owner_map", "a = Zoe")], "no owner &#39;Zoe&#39;"),
        ([("owner_way", "by_value"), ("owner_map", "a")], "ours = theirs"),
        ([("owner_way", "round_robin")], "Choose those who take turns."),
        ([("deal_enabled", "1"), ("deal_currency", "EURO")], "ISO 4217"),
        ([("deal_enabled", "1"), ("deal_title", "{nam}")], "no field &#39;nam&#39;"),
        ([("deal_enabled", "1"), ("deal_close_days", "soon")], "A number of days"),
        ([("deal_enabled", "1"), ("deal_close_days", "9" * 5000)], "A number of days"),
        ([("deal_enabled", "1"), ("deal_amount", "constant"), ("deal_amount_text", "much")], "not an amount"),
        ([("deal_enabled", "1"), ("deal_stage", "p1\r\ngone")], "no stage &#39;gone&#39;"),
    ],
)
async def test_faulty_rules_come_back_with_their_faults(
    alice: Person, crm: SalesCrm, fields: list[Any], words: str
) -> None:
    path = await connected(alice, NAME)
    for act in ("save", "preview"):
        answer = await posted(alice, f"{path}/mapping", [*EMAIL, *fields, ("act", act)])
        assert (answer.status_code, words in answer.text) == (422, True)


async def test_a_kind_without_owners_and_deals_shows_nothing_of_them(alice: Person) -> None:
    page = (await alice.web.get(f"{await connected(alice, 'inbox')}/mapping")).text
    assert "Given to" not in page and "Make a deal" not in page


async def test_a_form_is_chosen_and_has_its_own_rows(alice: Person, crm: SalesCrm) -> None:
    form = (await alice.api.post("/api/v1/forms", json={"name": "Offer"})).json()["id"]
    path = await connected(alice, NAME)
    url = f"{path}/mapping"
    rows = [("form", form), *row("constant", "note", text="An offer")]
    assert "An offer" in (await posted(alice, url, [*rows, ("act", "preview")])).text
    saved = await posted(alice, url, [*rows, ("act", "save")])
    assert saved.headers["location"] == f"{url}?form={form}"
    own = (await alice.web.get(f"{url}?form={form}")).text
    assert 'value="An offer"' in own and "Given to" not in own
    connection = (await alice.api.get(api(path))).json()
    assert connection["form_mappings"] == {form: [{"source": "constant:An offer", "property": "note"}]}
    assert f"{url}?form={form}" in (await alice.web.get(url)).text
    refused = await posted(alice, url, [("form", form), *row("nobody", "note"), ("act", "save")])
    assert (refused.status_code, "Perhaps custom.nobody?" in refused.text) == (422, True)
    await posted(alice, url, [("form", form), ("act", "save")])
    assert (await alice.api.get(api(path))).json()["form_mappings"] == {}
    assert (await alice.web.get(f"{url}?form=frm_nobody")).status_code == 404


async def test_a_dry_run_shows_every_request_and_sends_nothing(
    instance: Instance, alice: Person, charlie: Person, crm: SalesCrm
) -> None:
    path = await connected(alice, NAME)
    assert "No lead yet" in (await alice.web.get(f"{path}/dry-run")).text
    form = (await alice.api.post("/api/v1/forms", json={"name": "Contact"})).json()["id"]
    org = OrgRef(id=alice.org.id, slug=alice.org.slug, name=alice.org.name)
    office = Office(instance.machine, org, form, "", None)  # type: ignore[arg-type]
    for number in range(2):
        await office.submit(f"ada{number}@example.com")
    [second, lead] = [each["id"] for each in (await alice.api.get("/api/v1/leads")).json()["data"]]
    deal = {"enabled": True, "title": "{email}", "amount": "first_name"}
    await alice.api.patch(api(path), json={"deal": deal})
    told = (await alice.api.post(f"{api(path)}/dry-run", json={"lead": lead})).json()["data"]
    assert [(each["lead"], len(each["requests"])) for each in told] == [(lead, 2)]
    assert [problem["property"] for problem in told[0]["problems"]] == ["deal amount"]
    both = (await alice.api.post(f"{api(path)}/dry-run", json={})).json()["data"]
    assert [each["lead"] for each in both] == [second, lead]
    page = (await alice.web.get(f"{path}/dry-run?lead={lead}")).text
    assert "&#34;title&#34;: &#34;ada0@example.com&#34;" in page and "ledger.example/deals" in page
    pasted = await alice.web.get(f"{path}/dry-run", params={"last": "", "lead": f"https://x.test/o/acme/leads/{lead} "})
    assert (pasted.status_code, "ada0@example.com" in pasted.text) == (200, True)
    endless = "last=000000001" + "9" * 5000
    for query, why in (
        ("last=ten", "A number from 1 to 50."), ("last=51", "1 to 50"), (endless, "1 to 50"), ("lead=led_x", "no such lead"),
    ):  # fmt: skip
        wrong = await alice.web.get(f"{path}/dry-run?{query}")
        assert (wrong.status_code, why in wrong.text) == (422, True)
        assert f'value="{query.partition("=")[2]}"' in wrong.text
    assert (crm.people, crm.calls) == ({}, [])
    assert (await alice.api.post(f"{api(path)}/dry-run", json={"last": 51})).status_code in (400, 422)
    assert (await charlie.api.post(f"{api(path)}/dry-run", json={})).status_code == 404
    assert (await charlie.web.get(f"{path}/dry-run")).status_code == 404
