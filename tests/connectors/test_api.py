"""`/api/v1/connections` as a program meets it, and as strangers and viewers do."""

from typing import Any

import pytest

from site2crm.app import Instance
from site2crm.connectors import service
from tests.cast import Person
from tests.fakes.hubspot import TOKEN, HubSpotFake

PATH = "/api/v1/connections"
SECRET = "whsec_" + "A" * 43 + "="


async def made(person: Person, query: str = "", **given: Any) -> dict[str, Any]:
    body = {"kind": "hubspot", "name": "Main", "settings": {"token": TOKEN}, **given}
    answer = await person.api.post(PATH + query, json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_a_connection_is_made_tested_and_shown_without_its_secret(alice: Person, portal: HubSpotFake) -> None:
    connection = await made(alice, mapping={"email": "email", "first_name": "firstname"})
    assert (connection["state"], connection["account"]["id"]) == ("active", "62515")
    assert connection["test"]["ok"] and connection["test"]["fields"] > 10
    assert connection["mapping"] == [
        {"source": "email", "property": "email"},
        {"source": "first_name", "property": "firstname"},
    ]
    shown = await alice.api.get(f"{PATH}/{connection['id']}")
    listed = await alice.api.get(PATH)
    assert [row["id"] for row in listed.json()["data"]] == [connection["id"]]
    assert all(TOKEN not in answer.text for answer in (shown, listed))
    assert shown.json()["secret_hints"] == {"token": TOKEN[-4:]}


async def test_a_refused_token_is_an_error_at_its_field_and_leaves_nothing_behind(alice: Person) -> None:
    body = {"kind": "hubspot", "settings": {"token": "pat-na1-wrong-0000"}}
    answer = await alice.api.post(PATH, json=body)
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (422, "settings.token")
    assert "and enter it" in error["message"] and "pat-na1-wrong" not in answer.text
    assert (await alice.api.get(PATH)).json()["data"] == []


async def test_an_untested_connection_asks_nobody(alice: Person, portal: HubSpotFake) -> None:
    body = {"kind": "hubspot", "settings": {"token": TOKEN}}
    answer = (await alice.api.post(f"{PATH}?test=false", json=body)).json()
    assert (answer["state"], answer["test"], len(portal.requests)) == ("active", None, 0)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"kind": "hubspot"}, "settings.token"),
        ({"kind": "salesforce2"}, "kind"),
        ({"kind": "inbox", "mapping": {}}, "mapping"),
        ({"kind": "inbox", "mapping": [{"source": "nope", "property": "x"}]}, "mapping[0].source"),
        ({"kind": "inbox", "form_ids": ["frm_nobody"]}, "form_ids"),
        ({"kind": "webhook", "settings": {"url": "http://192.168.1.1/"}}, "settings.url"),
        ({"kind": "webhook", "settings": {"url": "ftp://example.com/"}}, "settings.url"),
    ],
)
async def test_what_is_missing_or_wrong_is_named(alice: Person, body: dict[str, Any], place: str) -> None:
    answer = await alice.api.post(PATH, json=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [place]


async def test_a_made_secret_is_in_the_first_answer_only(alice: Person) -> None:
    settings = {"url": "http://127.0.0.1:9/hook"}
    connection = await made(alice, "?test=false", kind="webhook", settings=settings)
    assert connection["secrets"]["secret"].startswith("whsec_")
    shown = await alice.api.get(f"{PATH}/{connection['id']}")
    assert connection["secrets"]["secret"] not in shown.text
    given = await made(alice, "?test=false", kind="webhook", settings={**settings, "secret": SECRET})
    assert given["secrets"] == {}


async def test_a_repeated_request_makes_one_connection_and_stores_no_secret(alice: Person) -> None:
    headers = {"Idempotency-Key": "once"}
    body = {"kind": "webhook", "settings": {"url": "http://127.0.0.1:9/hook"}}
    refused = await alice.api.post(PATH, json=body, headers=headers)
    assert [error["field"] for error in refused.json()["errors"]] == ["settings.secret"]
    body["settings"]["secret"] = SECRET  # type: ignore[index]
    twice = {"Idempotency-Key": "twice"}
    again = [await alice.api.post(f"{PATH}?test=false", json=body, headers=twice) for _ in range(2)]
    assert again[0].json()["id"] == again[1].json()["id"]
    assert len((await alice.api.get(PATH)).json()["data"]) == 1


async def test_a_patch_changes_what_it_names(alice: Person) -> None:
    connection = await made(alice)
    url = f"{PATH}/{connection['id']}"
    named = (await alice.api.patch(url, json={"name": "Sales"})).json()
    assert (named["name"], named["mapping"]) == ("Sales", connection["mapping"])
    mapped = (await alice.api.patch(url, json={"mapping": {"email": "email"}})).json()
    assert mapped["mapping"] == [{"source": "email", "property": "email"}]
    refused = await alice.api.patch(url, json={"settings": {"token": "pat-na1-wrong-0000"}})
    assert [error["field"] for error in refused.json()["errors"]] == ["settings.token"]
    assert (await alice.api.get(url)).json()["state"] == "active"


async def test_it_is_paused_resumed_and_removed(alice: Person) -> None:
    url = f"{PATH}/{(await made(alice))['id']}"
    assert (await alice.api.post(f"{url}/pause")).json()["state"] == "paused"
    assert (await alice.api.post(f"{url}/resume")).json()["state"] == "active"
    assert (await alice.api.delete(url)).status_code == 204
    assert (await alice.api.get(url)).status_code == 404


async def test_a_parked_one_resumes_when_the_crm_agrees(alice: Person, portal: HubSpotFake) -> None:
    url = f"{PATH}/{(await made(alice))['id']}"
    scopes = portal.tokens.pop(TOKEN)
    assert not (await alice.api.post(f"{url}/test")).json()["test"]["ok"]
    refused = await alice.api.post(f"{url}/resume")
    assert (refused.status_code, refused.json()["code"]) == (409, "connection_refused")
    portal.tokens[TOKEN] = scopes
    assert (await alice.api.post(f"{url}/test")).json()["test"]["ok"]
    assert (await alice.api.get(url)).json()["state"] == "active"


async def test_fields_tell_type_and_choices(alice: Person) -> None:
    url = f"{PATH}/{(await made(alice))['id']}"
    fields = {field["key"]: field for field in (await alice.api.get(f"{url}/fields")).json()["data"]}
    assert fields["favourite_colour"]["type"] == "choice"
    assert ["red", "Red"] in fields["favourite_colour"]["choices"]
    assert fields["createdate"]["writable"] is False


async def test_a_preview_shows_the_request_and_hides_the_token(alice: Person, portal: HubSpotFake) -> None:
    url = f"{PATH}/{(await made(alice))['id']}"
    portal.requests.clear()
    answer = await alice.api.post(f"{url}/preview", json={"mapping": {"email": "email", "last_name": "lastname"}})
    first, second = answer.json()["requests"]
    assert (first["method"], second["method"]) == ("PATCH", "POST")
    assert '"lastname":"Sample"' in first["body"]
    assert TOKEN not in answer.text
    assert not portal.requests


async def test_records_are_the_test_inboxs_only(alice: Person) -> None:
    inbox = await made(alice, kind="inbox", settings={})
    assert (await alice.api.get(f"{PATH}/{inbox['id']}/records")).json()["data"] == []
    portal = await made(alice)
    assert (await alice.api.get(f"{PATH}/{portal['id']}/records")).status_code == 404


ROUTES = [
    ("GET", ""),
    ("PATCH", ""),
    ("DELETE", ""),
    ("POST", "/test"),
    ("POST", "/pause"),
    ("POST", "/resume"),
    ("GET", "/fields"),
    ("POST", "/preview"),
    ("GET", "/records"),
]


@pytest.mark.parametrize(("method", "rest"), ROUTES)
async def test_a_stranger_finds_nothing(alice: Person, charlie: Person, method: str, rest: str) -> None:
    connection = await made(alice, kind="inbox", settings={})
    body = {} if method in ("POST", "PATCH") else None
    answer = await charlie.api.request(method, f"{PATH}/{connection['id']}{rest}", json=body)
    assert answer.status_code == 404


async def test_a_strangers_list_is_empty(alice: Person, charlie: Person) -> None:
    await made(alice, kind="inbox", settings={})
    assert (await charlie.api.get(PATH)).json()["data"] == []


async def test_a_member_looks_and_changes_nothing(alice: Person, bob: Person) -> None:
    connection = await made(alice, kind="inbox", settings={})
    url = f"{PATH}/{connection['id']}"
    assert (await bob.api.get(url)).status_code == 200
    assert (await bob.api.post(f"{url}/pause")).status_code == 403
    assert (await bob.api.post(PATH, json={"kind": "inbox"})).status_code == 403


async def test_who_may_not_read_leads_gets_no_value_of_theirs_in_a_warning(
    instance: Instance, alice: Person, portal: HubSpotFake
) -> None:
    connection = await made(alice)
    async with instance.machine.session() as session:
        await service.note_warning(session, connection["id"], property="industry", text='"Ada" is not one of them.')
    key = await alice.api.post("/api/v1/keys", json={"name": "Watch", "scopes": ["connections:read"]})
    headers = {"Authorization": f"Bearer {key.json()['key']}"}

    whole = [await alice.api.get(path) for path in (PATH, f"{PATH}/{connection['id']}")]
    less = [await alice.api.get(answer.url.path, headers=headers) for answer in whole]

    assert all("Ada" in answer.text for answer in whole)
    assert all("industry" in answer.text and "Ada" not in answer.text for answer in less)
