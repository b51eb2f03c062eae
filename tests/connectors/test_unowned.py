"""An owner whom the CRM itself refuses, in each vendor's own words: the person arrives without one."""

from typing import Any

import pytest

from site2crm.connectors import registry, unowned
from site2crm.connectors.contract import ErrorClass
from site2crm.connectors.registry import KINDS
from site2crm.connectors.sales import DealIn
from site2crm.demo.server import Fault
from tests.connectors.connector_cases import ada
from tests.connectors.kinds import PLAYED, opened

MAIL = "ada@example.com"
INVALID = "Property values were not valid: " + (
    '[{"isValid":false,"message":"9 was not one of the allowed options","error":"INVALID_OPTION",'
    '"name":"hubspot_owner_id"}]'
)
REFUSALS: dict[str, tuple[str, str, Any]] = {
    "hubspot": (
        "POST",
        "/contacts",
        {"status": "error", "category": "VALIDATION_ERROR", "correlationId": "1", "message": INVALID},
    ),
    "salesforce": (
        "POST",
        "/sobjects/",
        [
            {
                "errorCode": "INACTIVE_OWNER_OR_USER",
                "message": "operation performed with inactive user [005x] as owner of lead",
                "fields": [],
            }
        ],
    ),
    "pipedrive": (
        "POST",
        "/persons",
        {"success": False, "error": "Validation failed: owner_id: User 9 was not found", "code": "ERR_SCHEMA"},
    ),
    "nutshell": ("POST", "/contacts", {"errors": [{"status": "400", "title": "Invalid owner"}]}),
    "zoho": (
        "POST",
        "/Contacts/upsert",
        {
            "data": [
                {
                    "code": "INVALID_DATA",
                    "details": {"api_name": "Owner"},
                    "message": "the id given seems to be invalid",
                    "status": "error",
                }
            ]
        },
    ),
}


def test_every_kind_with_owners_has_its_refusal_here() -> None:
    assert set(REFUSALS) == {name for name, kind in KINDS.items() if kind.sales is not None}


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_person_whose_owner_is_refused_arrives_without_one(name: str) -> None:
    method, path, body = REFUSALS[name]
    kind, played = KINDS[name], PLAYED[name]
    values = {"email": MAIL, "first_name": "Ada", "last_name": "Lovelace"}
    person = ada(fields={kind.default_mapping[each]: value for each, value in values.items()}, owner="9")
    async with opened(played) as (fake, given, _, _):
        fake.faults.append(Fault("status", status=400, method=method, path=path, body=body))
        [written] = await unowned.upsert(registry.connect(name, given), [person])
        assert (played.people(fake), fake.faults) == (1, [])
    [warned] = written.warnings
    assert (written.error, written.created) == (None, True)
    assert warned.property.casefold() in ("owner", "ownerid"), warned


@pytest.mark.parametrize("owner", ["9-users", None])
async def test_an_owner_whom_nutshell_does_not_find_keeps_neither_person_nor_deal_away(owner: str | None) -> None:
    person = ada(fields={"email": MAIL, "name": "Ada Lovelace"}, owner=owner)
    body = {"errors": [{"status": "404", "title": "Not Found", "detail": "The entity does not exist"}]}
    async with opened(PLAYED["nutshell"]) as (fake, given, _, _):
        fake.faults.append(Fault("status", status=404, method="POST", path="/contacts", body=body))
        [written] = await unowned.upsert(registry.connect("nutshell", given), [person])
        if owner is None:
            assert written.error is not None
            assert written.error.kind is ErrorClass.NOT_FOUND
            return
        assert written.id is not None
        fake.faults.append(Fault("status", status=404, method="POST", path="/leads", body=body))
        sales = KINDS["nutshell"].sales
        assert sales is not None
        made = await unowned.add_deal(sales(given), DealIn("dlv_1", "A deal", owner=owner), written.id)
        assert (len(fake.contacts), len(fake.leads), fake.faults) == (1, 1, [])
    for each in (written, made):
        assert (each.error, each.created, [warned.property for warned in each.warnings]) == (None, True, ["owner"])


async def test_a_person_who_was_made_is_not_made_again_for_what_was_refused_after_it() -> None:
    played = PLAYED["nutshell"]
    person = ada(email=None, fields={"name": "Ada Lovelace", "note": "Call me."}, owner="9")
    async with opened(played) as (fake, given, _, _):
        body = {"errors": [{"status": "409", "title": "Conflict"}]}
        fake.faults.append(Fault("status", status=409, method="POST", path="/notes", body=body, count=-1))
        [written] = await unowned.upsert(registry.connect("nutshell", given), [person])
        assert played.people(fake) == 1
    assert written.error is not None
