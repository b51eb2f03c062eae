"""Which click brought a visitor: found wherever a website put it, kept out of every address, never in the way."""

import json
import re
from urllib.parse import quote

import httpx
import pytest

from site2crm.app import Instance
from site2crm.core import sites
from site2crm.core.crypto import Vault
from site2crm.forms.normalise import Normalised, normalise
from site2crm.links import token
from tests.cast import BASE, Person
from tests.forms.test_intake import a_form, settled

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
EMAIL = "email=ada%40example.com"
VAULT = Vault(b"k" * 32)
T = token.sign(VAULT, "clk_01M80SKD4FQ3SJ4QHRZ0E0C66T", "lnk_01M80SKD4FKPJH1MRZZ1TP39D5", 1_795_323_180)
FIRST = token.sign(VAULT, "clk_01M80SM15KAPCWCEE47FH2MJEA", "lnk_01M80SKD4FKPJH1MRZZ1TP39D5", 1_795_323_000)


def read(body: str) -> Normalised:
    return normalise(f"{EMAIL}&{body}".encode(), FORM)


@pytest.mark.parametrize(
    "body",
    [
        f"s2c_click={T}",
        f"s2c_click=+{T}%0D%0A",
        f"s2c_click=&s2c_click={T}",
        f"s2c_click={FIRST}&s2c_click={T}",
        f"s2c-click={T}",
        f"form_fields%5Bs2c_click%5D={T}",
        f"page_url=https%3A%2F%2Fwww.example.com%2F%3Fa%3D1%26s2c_click%3D{T}",
        f"landing_url=https%3A%2F%2Fwww.example.com%2F%3Fs2c_click%3D{T}",
    ],
)
def test_the_token_is_found_in_a_hidden_field_or_in_an_address(body: str) -> None:
    assert read(body).ours == {"click": T}


def test_the_first_click_is_told_apart_from_the_last() -> None:
    lead = read(f"s2c_click={T}&s2c_first_s2c_click={FIRST}")

    assert lead.ours == {"click": T, "first_click": FIRST}
    assert lead.attribution == {}


@pytest.mark.parametrize("value", [[T], [[T]], {"a": T}, {"s2c_click": T}, T])
def test_json_of_any_shape_loses_no_lead(value: object) -> None:
    lead = normalise(json.dumps({"email": "ada@example.com", "s2c_click": value}).encode(), JSON)

    assert (lead.email, lead.kind) == ("ada@example.com", "lead")


@pytest.mark.parametrize(
    "junk", ["x", "A" * 100_000, "é" * 68, "%00" * 68, "null", "1,2,3", T[:-1], T + T, "<script>alert(1)</script>"]
)
def test_what_cannot_be_a_token_is_not_kept(junk: str) -> None:
    lead = read(f"s2c_click={quote(junk)}")

    assert (lead.email, lead.kind) == ("ada@example.com", "lead")
    assert (lead.ours, lead.custom, lead.attribution) == ({}, {}, {})


def test_no_address_that_is_kept_has_a_token_in_it() -> None:
    lead = read(
        f"page_url=https://a.example/?s2c_click={T}%26x=1&landing_url=https://a.example/?y=1%26s2c_click={T}"
        f"&referrer=https://b.example/?s2c_click={T}&s2c_first_landing_url=https://a.example/?s2c_click={FIRST}%23end"
        f"&Visited+page=https://a.example/?s2c_click={T}"
    )

    assert lead.attribution == {
        "page_url": "https://a.example/?x=1",
        "landing_url": "https://a.example/?y=1",
        "referrer": "https://b.example/",
        "first.landing_url": "https://a.example/#end",
    }
    assert list(lead.custom.values()) == ["https://a.example/"]


@pytest.mark.parametrize("name", ["link", "click", "short_url"])
def test_nobody_can_claim_a_click_without_a_token(name: str) -> None:
    assert read(f"s2c_first_{name}=lnk_mine&s2c_last_{name}=lnk_mine&{name}=mine").attribution == {}


async def test_the_hosted_page_passes_on_how_the_visitor_came(alice: Person, nobody: httpx.AsyncClient) -> None:
    path = await a_form(alice)
    page = await nobody.get(f"{path}?utm_source=ad%22%3E&utm_medium=&other=1&gclid=g1&s2c_click=old&s2c_click={T}")
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text))
    assert hidden.keys() - {"s2c_key", "s2c_at"} == {"utm_source", "gclid", "s2c_click"}
    assert (hidden["s2c_click"], hidden["utm_source"]) == (T, "ad&#34;&gt;")


@pytest.mark.parametrize(
    "query", ["s2c_click=", "s2c_click=x", "s2c_click=" + "A" * 5000, "s2c_click=%FF%FE", "&".join(["a=1"] * 200)]
)
async def test_the_hosted_page_minds_no_wrong_token(alice: Person, nobody: httpx.AsyncClient, query: str) -> None:
    page = await nobody.get(f"{await a_form(alice)}?{query}")
    assert page.status_code == 200 and "s2c_click" not in page.text


async def test_the_page_that_a_browser_names_is_kept_without_its_token(
    instance: Instance, alice: Person, nobody: httpx.AsyncClient
) -> None:
    headers = {"Referer": f"https://www.example.com/contact?s2c_click={T}&a=1"}
    sent = await nobody.post(await a_form(alice), data={"email": "ada@example.com"}, headers=headers)
    await settled(instance)
    stored = (await alice.api.get(f"/api/v1/submissions/{sent.json()['id']}")).json()
    assert stored["origin"] == "https://www.example.com/contact?a=1"


async def test_the_websites_of_an_org_are_those_of_its_forms_and_this_one(
    instance: Instance, alice: Person, charlie: Person
) -> None:
    known = sites.of_machine(instance.machine)
    assert not known.knows(alice.org.id, BASE)
    await a_form(alice, allowed_origins=["https://www.example.com", "https://*.example.org"])
    for origin in (BASE, "https://www.example.com", "https://shop.example.org"):
        assert known.knows(alice.org.id, origin), origin
        assert not known.knows(charlie.org.id, origin), origin
    for origin in ("http://www.example.com", "https://example.org", "https://shop.example.org.evil.example", ""):
        assert not known.knows(alice.org.id, origin), origin


async def test_an_archived_form_makes_no_website(instance: Instance, alice: Person) -> None:
    await a_form(alice, allowed_origins=["https://www.example.com"])
    [form] = (await alice.api.get("/api/v1/forms")).json()["data"]
    assert (await alice.api.delete(f"/api/v1/forms/{form['id']}")).is_success
    assert not sites.of_machine(instance.machine).knows(alice.org.id, "https://www.example.com")
