"""The OpenAPI document tells the errors that are really answered."""

from typing import Any

import httpx
import pytest

from tests.cast import Person

PROBLEM = {"type", "title", "status", "detail", "code", "errors", "request_id"}


@pytest.fixture
async def document(nobody: httpx.AsyncClient) -> dict[str, Any]:
    answer = await nobody.get("/api/v1/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(method, path): each for path, item in document["paths"].items() for method, each in item.items()}


async def test_every_error_is_a_problem(document: dict[str, Any]) -> None:
    for place, operation in operations(document).items():
        refusals = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        assert bool(refusals) == place[1].startswith("/api/"), place
        for answer in refusals.values():
            schema = answer["content"]["application/problem+json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ProblemDetails"}, place
    schemas = document["components"]["schemas"]
    assert schemas["ProblemDetails"]["properties"].keys() == PROBLEM
    assert schemas["FieldError"]["properties"].keys() == {"field", "message"}


async def test_an_operation_names_what_it_can_answer(document: dict[str, Any]) -> None:
    found = operations(document)
    assert found["get", "/api/v1/me"]["responses"].keys() == {"200", "401", "403", "429"}
    assert {"201", "400", "409", "413", "422"} <= found["post", "/api/v1/forms"]["responses"].keys()
    assert "404" in found["get", "/api/v1/leads/{lead_id}"]["responses"]


async def test_what_is_answered_is_what_is_told(document: dict[str, Any], alice: Person) -> None:
    for method, path, body in (
        ("get", "/api/v1/leads/{lead_id}", None),
        ("post", "/api/v1/forms", {"name": ""}),
        ("patch", "/api/v1/org", {"slug": 5}),
    ):
        answer = await alice.api.request(method, path.format(lead_id="led_x"), json=body)
        assert answer.status_code >= 400
        assert str(answer.status_code) in document["paths"][path][method]["responses"], path
        assert answer.json().keys() <= PROBLEM


async def test_only_what_is_public_asks_for_no_key(document: dict[str, Any]) -> None:
    open_to_all = {place for place, each in operations(document).items() if each.get("security") == []}
    assert open_to_all == {("get", "/health"), ("get", "/healthz")}


async def test_a_missing_body_is_told_in_words(alice: Person) -> None:
    answer = await alice.api.post("/api/v1/forms")
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": "data", "message": "Send a JSON body."}]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"name": "Contact"', "The JSON ends too early"),
        ('{"name": Contact}', "invalid character at byte 9"),
        ('{"name": "Contact",}', "at byte 19"),
        ("{'name': 'Contact'}", "at byte 1"),
        ('{"name": "Contact"} x', "trailing characters at byte 21"),
    ],
)
async def test_broken_json_is_told_with_its_place_and_the_cure(alice: Person, body: str, words: str) -> None:
    answer = await alice.api.post("/api/v1/forms", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert words in answer.json()["detail"]
