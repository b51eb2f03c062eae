"""A refused body is told in words: which field, and what to write instead."""

from typing import Any

import pytest

from tests.cast import Person


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"fields": []}, "name", "This field is needed."),
        ({"name": "x", "nme": "x"}, "nme", "There is no such field; check the spelling."),
        (
            {"name": "x", "fields": [{"name": "a", "type": "text", "hint": ""}]},
            "fields[0].hint",
            "There is no such field",
        ),
        ({"name": ""}, "name", "At least 1 character."),
        ({"name": "x" * 121}, "name", "At most 120 characters."),
        ({"name": "x", "country": "XX"}, "country", "A country's two letters"),
    ],
)
async def test_a_refused_body_names_the_field_and_the_cure(
    alice: Person, body: dict[str, Any], field: str, words: str
) -> None:
    answer = await alice.api.post("/api/v1/forms", json=body)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == field
    assert words in error["message"]
