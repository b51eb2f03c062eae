"""What the invented CRMs find: as the real ones do, however many records there are."""

import json
from typing import Any

import pytest

from site2crm.demo.pipedrive import TOKEN, Pipedrive
from site2crm.demo.salesforce_soql import Tables, parse
from site2crm.demo.server import Request

ROWS = [
    {"Id": "a", "At": "2026-11-23T05:00:00.000+0000"},
    {"Id": "b", "At": "2026-11-23T06:00:00.000+0000"},
    {"Id": "c", "At": None},
]
TYPES = {"Id": "string", "At": "datetime"}
TABLES = Tables(lambda table, column: TYPES.get(column), lambda table: ROWS, lambda parent, name: None)


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("At = 2026-11-23T05:00:00Z", "a"),
        ("At = 2026-11-23T06:00:00.000+01:00", "a"),
        ("At != 2026-11-23T05:00:00Z", "bc"),
        ("At IN (2026-11-23T05:00:00Z, 2026-11-23T06:00:00Z)", "ab"),
        ("At = null", "c"),
        ("At >= 2026-11-23T05:30:00Z", "b"),
    ],
)
def test_a_moment_is_compared_as_one(where: str, ids: str) -> None:
    found = parse(f"SELECT Id FROM Task WHERE {where}", TABLES).run(ROWS)
    assert "".join(row["Id"] for row in found) == ids


def search(crm: Pipedrive, term: str, **asked: str) -> list[int]:
    query = "&".join(f"{name}={value}" for name, value in {"term": term, **asked}.items())
    request = Request("GET", f"/api/v2/persons/search?{query}", {"x-api-token": TOKEN}, b"")
    body: Any = crm.answer(request).body
    return [each["item"]["id"] for each in json.loads(json.dumps(body))["data"]["items"]]


def test_pipedrive_finds_exactly_what_is_there_now() -> None:
    crm = Pipedrive()
    ada, eva = (crm.add_person(name=name, emails=[{"value": f"{name}@x.example"}]) for name in ("Ada", "Eva"))
    exact = {"exact_match": "true", "fields": "email"}
    assert search(crm, "ADA@x.example", **exact) == [ada]
    assert search(crm, "a@x", fields="email") == [ada, eva]
    crm.persons.change(crm.persons.rows[ada], {"emails": [{"value": "new@x.example"}]})
    assert (search(crm, "ada@x.example", **exact), search(crm, "new@x.example", **exact)) == ([], [ada])
    crm.persons.change(crm.persons.rows[ada], {"is_deleted": True})
    assert search(crm, "new@x.example", **exact) == []
