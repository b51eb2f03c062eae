"""`site2crm crm`: what the running server tells the command line about connections."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from site2crm.app import Instance
from site2crm.commands.crm import command
from site2crm.connectors import controls
from site2crm.core.errors import NotFound
from site2crm.deals import controls as deals
from tests.cast import Person
from tests.fakes.hubspot import TOKEN, HubSpotFake


async def connected(alice: Person, name: str = "HubSpot") -> str:
    made = await alice.api.post(
        "/api/v1/connections", json={"kind": "hubspot", "name": name, "settings": {"token": TOKEN}}
    )
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def test_a_connection_is_found_by_its_id_and_by_its_name(instance: Instance, alice: Person) -> None:
    id = await connected(alice)
    by_id, _ = await controls.one(instance.machine, id)
    by_name, slug = await controls.one(instance.machine, f"{alice.org.slug}/hubspot")
    assert (by_id.id, by_name.id, slug) == (id, id, alice.org.slug)


async def test_an_unknown_one_is_told_with_what_there_is(instance: Instance, alice: Person) -> None:
    await connected(alice)
    with pytest.raises(NotFound, match=f"There are: {alice.org.slug}/HubSpot"):
        await controls.one(instance.machine, "acme/nothing")


async def test_two_of_one_name_are_told_by_their_ids(instance: Instance, alice: Person) -> None:
    ids = [await connected(alice, "Same"), await connected(alice, "Same")]
    with pytest.raises(NotFound, match=ids[0]):
        await controls.one(instance.machine, f"{alice.org.slug}/same")


async def test_a_test_says_who_we_are_there_or_why_not(instance: Instance, alice: Person, portal: HubSpotFake) -> None:
    id = await connected(alice)
    good = await controls.tested(instance.machine, {"connection": id})
    portal.tokens.clear()
    bad = await controls.tested(instance.machine, {"connection": id})
    assert (good["ok"], good["account"]["name"]) == (True, f"HubSpot account {portal.portal}")
    assert (bad["ok"], bad["account"]) == (False, None)
    assert "uthentication" in bad["error"]


async def test_fields_tell_what_fills_them_and_what_is_missing(
    instance: Instance, alice: Person, portal: HubSpotFake
) -> None:
    id = await connected(alice)
    del portal.properties["phone"]
    told = await controls.fields(instance.machine, {"connection": id})
    assert {f["key"]: f["filled_by"] for f in told["fields"]}["firstname"] == "first_name"
    assert [found["name"] for found in told["drift"]] == ["phone"]


async def test_deals_are_read_when_it_is_asked(instance: Instance, alice: Person, portal: HubSpotFake) -> None:
    id = await connected(alice)
    person = portal.add_contact(email="ada@example.com")
    portal.sales.add("deals", contacts=[person], dealname="Roof", amount="100", deal_currency_code="EUR")
    told = await deals.sync(instance.machine, {"connection": f"{alice.org.slug}/HubSpot"})
    assert instance.machine.jobs is not None
    await instance.machine.jobs.run_due()
    listed = (await alice.api.get("/api/v1/deals")).json()["data"]
    assert (told["id"], [deal["title"] for deal in listed]) == (id, ["Roof"])


def test_without_a_server_it_says_what_to_do(tmp_path: Path) -> None:
    done = CliRunner().invoke(command, ["list", "--data-dir", str(tmp_path / "none")])
    assert done.exit_code == 1
    assert "start it first" in done.output + done.stderr
