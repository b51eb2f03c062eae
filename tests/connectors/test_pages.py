"""The pages of connections, without JavaScript."""

import re
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from site2crm.app import Instance
from site2crm.connectors import health, service, views
from site2crm.connectors.sources import LeadValues
from site2crm.connectors.states import State
from tests.cast import Person
from tests.fakes.hubspot import TOKEN, HubSpotFake
from tests.fakes.webhook import WebhookFake

CRMS = "/o/acme/crms"
WRONG = "pat-na1-wrong-0000"


async def posted(person: Person, url: str, pairs: Any = ()) -> httpx.Response:
    """A form as a browser posts it: repeated names in order."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    fields = list(pairs.items()) if isinstance(pairs, dict) else list(pairs)
    return await person.web.post(url, content=urlencode(fields), headers=headers)


def held(page: httpx.Response) -> str:
    """What a page of a refused connection hands back."""
    found = re.search(r'name="held" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


async def connected(person: Person, kind: str = "hubspot", **fields: str) -> str:
    """The path of a new connection's page."""
    given = {"settings.token": TOKEN, **fields} if kind == "hubspot" else fields
    answer = await posted(person, f"{CRMS}/new/{kind}", given)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def row(source: str, property: str, *further: str, transform: str = "none", text: str = "", values: str = "") -> Any:
    given = {"source": source, "property": property, "transform": transform, "text": text, "values": values}
    return [*given.items(), *zip(("else_1", "else_2", "else_3"), (*further, "", "", "")[:3], strict=True)]


async def test_an_org_without_a_crm_is_told_what_to_do(alice: Person) -> None:
    page = (await alice.web.get(CRMS)).text
    assert "No CRM yet" in page
    assert f'href="{CRMS}/new"' in page
    kinds = (await alice.web.get(f"{CRMS}/new")).text
    assert all(f"{CRMS}/new/{kind}" in kinds for kind in ("inbox", "hubspot", "webhook"))


async def test_connecting_says_who_we_are_there(alice: Person) -> None:
    path = await connected(alice, name="Main")
    page = (await alice.web.get(path)).text
    assert "Connected to HubSpot account 62515" in page
    assert "Main" in page and "First Name" in page
    assert TOKEN not in page


async def test_a_missing_token_is_asked_for_and_nothing_typed_is_lost(alice: Person) -> None:
    answer = await posted(alice, f"{CRMS}/new/hubspot", {"name": "My name", "settings.token": ""})
    assert answer.status_code == 422
    assert "Access token is needed." in answer.text
    assert 'value="My name"' in answer.text


@pytest.mark.parametrize("pasted", [f'  "{TOKEN}" ', f"“{TOKEN}”", f"'{TOKEN}'\n", f"`{TOKEN}`"])
async def test_a_token_is_known_in_the_quotes_that_came_with_it(alice: Person, pasted: str) -> None:
    answer = await posted(alice, f"{CRMS}/new/hubspot", {"settings.token": pasted})
    assert answer.status_code == 303, answer.text


async def test_what_can_be_no_token_says_what_one_looks_like(alice: Person) -> None:
    answer = await posted(alice, f"{CRMS}/new/hubspot", {"settings.token": f"Bearer {TOKEN}"})
    assert (answer.status_code, "Copy it again in HubSpot." in answer.text) == (422, True)


@pytest.mark.parametrize("way", ["", "/sign-in"])
async def test_a_secret_is_not_typed_twice_because_of_another_field(alice: Person, way: str) -> None:
    kind, wrong = ("salesforce", {"settings.domain": "evil.example"}) if way else ("webhook", {"settings.url": "hook"})
    secret = "a-consumer-secret" if way else "whsec_" + "A" * 43 + "="
    name = "settings.client_secret" if way else "settings.secret"
    more = {"settings.login": "my_domain", "settings.target": "lead", "settings.client_id": "id"} if way else {}
    refused = await posted(alice, f"{CRMS}/new/{kind}{way}", {name: secret, **wrong, **more})
    assert (refused.status_code, secret in refused.text) == (422, False)
    mended = {"settings.domain": "acme.my.salesforce.com"} if way else {"settings.url": "https://crm.invalid/in"}
    again = await posted(alice, f"{CRMS}/new/{kind}{way}", {"held": held(refused), **mended, **more, "save": "anyway"})
    assert again.status_code == (200 if way else 303), again.text


async def test_a_name_is_one_line_of_a_sensible_length(alice: Person) -> None:
    path = await connected(alice, "inbox", name="Two\nlines \u202eback")
    assert "<h1>Two lines back " in (await alice.web.get(path)).text
    for name, why in (("  ", "Give it a name."), ("x" * 121, "At most 120 characters.")):
        refused = await posted(alice, f"{path}/edit", {"name": name})
        assert (refused.status_code, why in refused.text) == (422, True)
    assert f'value="{"x" * 121}"' in refused.text
    long = await posted(alice, f"{CRMS}/new/inbox", {"name": "x" * 121})
    assert (long.status_code, "At most 120 characters." in long.text) == (422, True)


async def test_a_refused_token_is_told_at_its_field_and_saved_only_if_asked_for(alice: Person) -> None:
    refused = await posted(alice, f"{CRMS}/new/hubspot", {"settings.token": WRONG})
    assert (refused.status_code, "make a new one there" in refused.text) == (422, True)
    assert "No CRM yet" in (await alice.web.get(CRMS)).text
    assert WRONG not in refused.text
    again = await posted(alice, f"{CRMS}/new/hubspot", {"held": held(refused), "save": "anyway"})
    page = (await alice.web.get(again.headers["location"])).text
    assert all("Not tested yet" in each for each in (page, (await alice.web.get(CRMS)).text))
    assert "Saved without a test" in page and f"…{WRONG[-4:]}" in page.replace("••••", "…")


async def test_what_is_held_for_one_org_is_nothing_to_another(alice: Person, charlie: Person) -> None:
    sealed = held(await posted(alice, f"{CRMS}/new/hubspot", {"settings.token": WRONG}))
    stolen = await posted(charlie, "/o/other/crms/new/hubspot", {"held": sealed, "save": "anyway"})
    assert (stolen.status_code, "Access token is needed." in stolen.text) == (422, True)


async def test_a_dead_token_is_said_and_mended_on_its_page(alice: Person, portal: HubSpotFake) -> None:
    path = await connected(alice)
    scopes = portal.tokens.pop(TOKEN)
    await posted(alice, f"{path}/test")
    page = (await alice.web.get(path)).text
    assert "Stopped: leads wait" in page
    assert f'action="{path}/reconnect"' in page
    assert "stopped:" in (await alice.web.get("/o/acme/forms")).text
    again = await posted(alice, f"{path}/reconnect", {"settings.token": "pat-na1-also-wrong-1"})
    assert (again.status_code, "Nothing was changed" in again.text) == (422, True)
    portal.tokens[TOKEN] = scopes
    assert (await posted(alice, f"{path}/reconnect", {"settings.token": TOKEN})).status_code == 303
    assert "Stopped" not in (await alice.web.get(path)).text


async def test_an_inner_address_is_refused_with_the_line_that_allows_it(alice: Person) -> None:
    answer = await posted(alice, f"{CRMS}/new/webhook", {"settings.url": "http://192.168.0.9/"})
    assert answer.status_code == 422
    assert "[outbound] allow_private = [&#34;192.168.0.0/16&#34;]" in answer.text


async def test_a_made_secret_is_shown_until_the_receiver_knows_it(alice: Person) -> None:
    receiver = WebhookFake("whsec_" + "A" * 43 + "=")
    await receiver.start()
    refused = await posted(alice, f"{CRMS}/new/webhook", {"settings.url": f"{receiver.url}/in"})
    secret = re.search(r"whsec_[A-Za-z0-9+/]+=*", refused.text)
    assert refused.status_code == 422 and secret
    receiver.secret = secret[0]
    again = {"settings.url": f"{receiver.url}/in", "settings.secret": "", "held": held(refused)}
    answer = await posted(alice, f"{CRMS}/new/webhook", again)
    assert answer.status_code == 303, answer.text
    assert secret[0] not in (await alice.web.get(answer.headers["location"])).text
    await receiver.stop()


async def test_the_mapping_table_is_saved_as_posted_and_blank_rows_are_dropped(
    instance: Instance, alice: Person
) -> None:
    path = await connected(alice)
    rows = [
        *row("email", "email"),
        *row("name", "firstname", transform="first_word"),
        *row("constant", "lifecyclestage", text="lead"),
        *row("custom.size", "industry", values="small = RETAIL; big = ACCOUNTING", text="RETAIL"),
        *row("", ""),
    ]
    assert (await posted(alice, f"{path}/mapping", [*rows, ("act", "save")])).status_code == 303
    connection = (await alice.api.get(f"/api/v1/connections/{path.rpartition('/')[2]}")).json()
    assert connection["mapping"] == [
        {"source": "email", "property": "email"},
        {"source": "name", "property": "firstname", "transform": "first_word"},
        {"source": "constant:lead", "property": "lifecyclestage"},
        {
            "source": "custom.size",
            "property": "industry",
            "transform": "value_map",
            "value_map": {"small": "RETAIL", "big": "ACCOUNTING"},
            "default": "RETAIL",
        },
    ]
    page = (await alice.web.get(f"{path}/mapping")).text
    assert "small = RETAIL; big = ACCOUNTING" in page
    assert 'value="lead"' in page


async def test_templates_and_further_fields_are_edited_without_javascript(alice: Person) -> None:
    path = await connected(alice)
    rows = [
        *row("template", "company", text="{first_name} from {utm_source|web}"),
        *row("phone", "phone", "custom.mobile", "constant:unknown", transform="e164"),
        *row("last_name", "lastname", transform="name_case"),
    ]
    assert (await posted(alice, f"{path}/mapping", [*rows, ("act", "save")])).status_code == 303
    connection = (await alice.api.get(f"/api/v1/connections/{path.rpartition('/')[2]}")).json()
    assert connection["mapping"] == [
        {"source": "template:{first_name} from {utm_source|web}", "property": "company"},
        {
            "source": "phone",
            "property": "phone",
            "transform": "e164",
            "otherwise": ["custom.mobile", "constant:unknown"],
        },
        {"source": "last_name", "property": "lastname", "transform": "name_case"},
    ]
    page = (await alice.web.get(f"{path}/mapping")).text
    assert 'value="{first_name} from {utm_source|web}"' in page and 'value="custom.mobile"' in page
    assert "Phone, else mobile, else “unknown”" in (await alice.web.get(path)).text


async def test_a_preview_saves_nothing(alice: Person, portal: HubSpotFake) -> None:
    path = await connected(alice)
    portal.requests.clear()
    before = (await alice.api.get(f"/api/v1/connections/{path.rpartition('/')[2]}")).json()["mapping"]
    answer = await posted(alice, f"{path}/mapping", [*row("last_name", "lastname"), ("act", "preview")])
    assert "PATCH http" in answer.text and "&#34;lastname&#34;: &#34;Sample&#34;" in answer.text
    assert "&#34;firstname&#34;" not in answer.text
    after = (await alice.api.get(f"/api/v1/connections/{path.rpartition('/')[2]}")).json()["mapping"]
    assert (after, len(portal.requests)) == (before, 0)


async def test_a_preview_without_any_lead_has_an_answer_to_every_question(alice: Person, portal: HubSpotFake) -> None:
    """So that somebody who maps a field sees it in the request before the first lead is there."""
    fields = [
        {"name": "size", "type": "choice", "label": "Size", "choices": ["Small", "Big"]},
        {"name": "campaign", "type": "hidden", "text": "spring"},
        {"name": "news", "type": "consent", "text": "Send me the newsletter"},
    ]
    assert (await alice.api.post("/api/v1/forms", json={"name": "Contact", "fields": fields})).status_code == 201
    path = await connected(alice)
    lines = [*row("custom.size", "company"), *row("custom.campaign", "source_note"), *row("consent.news", "message")]
    answer = await posted(alice, f"{path}/mapping", [*lines, ("act", "preview")])
    shown = answer.text.partition("&#34;properties&#34;")[2]
    assert [text for text in ("Small", "spring", "Send me the newsletter") if text not in shown[:600]] == []


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([*row("email", "")], "Say which property"),
        ([*row("", "email")], "Choose a field."),
        ([*row("email", "email"), *row("name", "email")], "Two rows fill email"),
        ([*row("email", "email", values="a")], "ours = theirs"),
        ([*row("template", "email", text="{frist_name}")], "Perhaps first_name or custom.frist_name?"),
        ([*row("phone", "phone", "mobile")], "Perhaps custom.mobile?"),
        ([], "Map at least one field"),
    ],
)
async def test_a_faulty_table_comes_back_with_its_faults(alice: Person, rows: Any, words: str) -> None:
    path = await connected(alice)
    answer = await posted(alice, f"{path}/mapping", [*rows, ("act", "save")])
    assert answer.status_code == 422
    assert words in answer.text


async def test_a_property_that_vanished_is_marked_after_discovering_again(alice: Person, portal: HubSpotFake) -> None:
    path = await connected(alice)
    await posted(alice, f"{path}/mapping", [*row("email", "email"), *row("message", "source_note"), ("act", "save")])
    del portal.properties["source_note"]
    assert (await posted(alice, f"{path}/discover")).status_code == 303
    assert "has no property source_note" in (await alice.web.get(path)).text


async def test_the_inbox_shows_what_was_received(instance: Instance, alice: Person) -> None:
    path = await connected(alice, "inbox")
    assert "Nothing received yet" in (await alice.web.get(f"{path}/inbox")).text
    async with instance.machine.session() as session:
        connection = await service.get(session, alice.org.id, path.rpartition("/")[2])
    lead = LeadValues(email="ada@example.com", first_name="<b>Ada</b>")
    person = service.Translation(connection).prepare(lead, ref="dlv_1").person
    (written,) = await service.open_connector(instance.machine, connection).upsert_people([person])
    page = (await alice.web.get(f"{path}/inbox")).text
    assert "ada@example.com" in page and "&lt;b&gt;Ada" in page
    assert written.url and "ada@example.com" in (await alice.web.get(written.url)).text


async def test_pausing_resuming_renaming_and_removing(alice: Person) -> None:
    path = await connected(alice, "inbox")
    await posted(alice, f"{path}/pause")
    assert "New leads wait until it is resumed" in (await alice.web.get(path)).text
    await posted(alice, f"{path}/resume")
    await posted(alice, f"{path}/test")
    await posted(alice, f"{path}/edit", {"name": "Sandbox"})
    assert "Sandbox" in (await alice.web.get(CRMS)).text
    assert (await posted(alice, f"{path}/remove")).headers["location"] == CRMS
    assert (await alice.web.get(path)).status_code == 404


async def test_an_error_leads_back_to_where_one_was(alice: Person) -> None:
    path = await connected(alice, "inbox")
    opened = await alice.web.get(f"{path}/edit")  # the address of a refused form, opened again
    assert (opened.status_code, f'href="{path}"' in opened.text) == (405, True)
    refused = await alice.web.post(f"{path}/compare", headers={"referer": f"{alice.web.base_url}{path}#compared"})
    assert (refused.status_code, f'href="{path}"' in refused.text) == (409, True)
    elsewhere = await alice.web.get("/o/acme/crms/con_none", headers={"referer": "https://evil.example/x"})
    assert (elsewhere.status_code, "evil.example" in elsewhere.text) == (404, False)


async def test_a_connection_is_drained_on_its_own_page(alice: Person) -> None:
    path = await connected(alice, "inbox")
    assert f'action="{path}/drain"' in (await alice.web.get(path)).text
    await posted(alice, f"{path}/drain")
    page = (await alice.web.get(path)).text
    assert (f'action="{path}/drain"' in page, f'action="{path}/resume"' in page) == (False, True)


async def test_a_viewer_sees_no_buttons_and_a_stranger_nothing(alice: Person, vera: Person, charlie: Person) -> None:
    path = await connected(alice, "inbox")
    for page in (path, f"{path}/mapping", f"{path}/inbox", CRMS):
        answer = await vera.web.get(page)
        assert answer.status_code == 200
        assert "Save mapping" not in answer.text and f"{path}/remove" not in answer.text
        assert (await charlie.web.get(page)).status_code == 404
        other = page.replace("/o/acme/", "/o/other/")
        assert other.endswith("/crms") or (await charlie.web.get(other)).status_code == 404
    assert (await posted(vera, f"{path}/pause")).status_code == 403
    assert (await posted(charlie, f"{path.replace('acme', 'other')}/pause")).status_code == 404


@pytest.mark.parametrize(
    ("kind", "reason", "cure"),
    [
        ("hubspot", "The token lacks the right crm.objects.contacts.write.", "Give the token this right"),
        ("hubspot", "Authentication credentials not found or expired.", "make a new one"),
        ("hubspot", "The stored access cannot be read: the key that sealed it is gone.", "Enter the token again"),
        ("webhook", "The receiver answered 401: bad signature", "enter the secret"),
        ("webhook", "The receiver answered 410.", "enter the new one"),
        ("webhook", "The receiver answered 301: a redirect to /x; enter the final address", "final address"),
    ],
)
def test_what_to_do_depends_on_the_reason(kind: str, reason: str, cure: str) -> None:
    assert cure in views.cure(kind, reason)


async def test_a_connection_that_left_the_file_says_why_it_is_paused(instance: Instance, alice: Person) -> None:
    path = await connected(alice)
    async with instance.machine.session() as session:
        connection = await service.locked(session, alice.org.id, path.rpartition("/")[2])
        health.set_state(connection, State.PAUSED, reason="No longer in site2crm.toml: put it back there")
    assert "No longer in site2crm.toml: put it back there. New leads wait" in (await alice.web.get(path)).text
