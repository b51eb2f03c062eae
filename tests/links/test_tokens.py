"""Which clicks take their token along."""

from urllib.parse import parse_qs, urlsplit

import pytest

from site2crm.app import Instance
from site2crm.kit import clock
from site2crm.links import token
from tests.cast import Person
from tests.links.making import URL, location, make, recorded

AT_HOME = "https://www.acme.example/landing"


@pytest.fixture
async def form(alice: Person) -> dict[str, str]:
    origins = ["https://www.acme.example", "https://*.shops.example"]
    answer = await alice.api.post("/api/v1/forms", json={"name": "Contact", "allowed_origins": origins})
    found: dict[str, str] = answer.json()
    return found


@pytest.mark.parametrize(
    ("url", "carry", "carries"),
    [
        (AT_HOME, "auto", True),
        ("https://berlin.shops.example/x", "auto", True),
        (URL, "auto", False),
        ("http://www.acme.example/", "auto", False),
        ("https://www.acme.example.evil.example/", "auto", False),
        (URL, "always", True),
        (AT_HOME, "never", False),
    ],
)
async def test_the_token_goes_where_a_form_of_the_org_stands(
    instance: Instance, alice: Person, form: dict[str, str], url: str, carry: str, carries: bool
) -> None:
    await make(alice, url, slug="spring", carry_click=carry)

    assert (token.PARAMETER in await location(instance, "/spring")) is carries


async def test_a_hosted_form_of_ours_gets_it(instance: Instance, alice: Person, form: dict[str, str]) -> None:
    await make(alice, form["hosted_url"], slug="spring")

    assert token.PARAMETER in await location(instance, "/spring")


async def test_another_orgs_website_gets_none(
    instance: Instance, alice: Person, charlie: Person, form: dict[str, str]
) -> None:
    await make(charlie, AT_HOME, slug="spring")

    assert await location(instance, "/spring") == AT_HOME


async def test_the_token_names_the_click_that_was_recorded(
    instance: Instance, alice: Person, form: dict[str, str]
) -> None:
    link = await make(alice, AT_HOME + "?a=1#top", slug="spring")

    found = urlsplit(await location(instance, "/spring?gclid=x&s2c_click=forged"))

    [given] = parse_qs(found.query)[token.PARAMETER]
    click = token.verify(instance.machine.vault, given, clock.now())
    assert click is not None
    assert (click.link_id, click.id) == (link["id"], recorded(instance)[0].id)
    assert (parse_qs(found.query)["gclid"], found.fragment) == (["x"], "top")
