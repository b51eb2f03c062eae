"""A refused body is told in words: which field, and what to write instead."""

from typing import Any

import pytest

from site2crm.app import Instance
from tests import records
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


@pytest.mark.skipif(records.on_postgresql(), reason="SQLite is told that it may not grow")
async def test_a_full_disk_is_called_by_its_name_and_passes(instance: Instance, alice: Person) -> None:
    async with instance.machine.database.writer.connect() as connection:
        await connection.exec_driver_sql("PRAGMA max_page_count=1")  # that is: as large as it is now
    body = {"name": "Contact", "fields": [{"name": f"field{n}", "type": "text", "label": "x" * 100} for n in range(40)]}
    answers = [await alice.api.post("/api/v1/forms", json=body) for _ in range(20)]
    async with instance.machine.database.writer.connect() as connection:
        await connection.exec_driver_sql("PRAGMA max_page_count=4294967294")
    refused, after = answers[-1], await alice.api.post("/api/v1/forms", json=body)
    assert (refused.status_code, refused.json()["code"]) == (503, "database_disk")
    assert "is full" in refused.json()["detail"]
    assert "retry-after" in refused.headers
    assert after.status_code == 201
