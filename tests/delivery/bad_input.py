"""How each kind of CRM is brought to refuse: one function for each thing that goes wrong, on its own server."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from site2crm.demo import nutshell, pipedrive_fields, salesforce_objects
from site2crm.demo.hubspot import READ, TOKEN
from site2crm.demo.server import Fault

FORTY = "a1b2c3d4e5f60718293a4b5c6d7e8f9012345678"
"""As long as Pipedrive's names of custom fields are."""
Act = Callable[[Any], None]


@dataclass(frozen=True)
class Bad:
    """`page`, `inside`: what the call that writes answers instead. `own`: the custom property that `adds` makes."""

    no_access: Act
    no_right: Act
    writes: str
    """The method of the call that makes a person."""
    inside: Mapping[str, Any] | list[Any]
    """An error under the status 200."""
    own: str
    adds: Act
    value_of: Callable[[Any], object]
    """Of that property, of the only person."""
    twice: Act
    """Two people with ada@example.com."""
    path: str = ""
    """Of that call, where others have the same method."""
    unknown: str = "no_such_thing"
    """A property that it does not have."""


def _hubspot_own(server: Any) -> None:
    server.properties[FORTY] = {**server.properties["source_note"], "name": FORTY, "label": "Campaign"}


def _hubspot_twice(server: Any) -> None:
    """HubSpot knows no two: the second one is an additional address of a merged contact."""
    server.add_contact(email="ada@work.example", hs_additional_emails="ada@example.com")


def _salesforce_no_access(server: Any) -> None:
    server.sign_in.access.clear()
    server.sign_in.refresh.clear()


def _salesforce_own(server: Any) -> None:
    name = f"{FORTY[:37]}__c"
    server.objects["Contact"][name] = salesforce_objects._field(name, label="Campaign")


def _pipedrive_own(server: Any) -> None:
    server.fields["persons"].append(pipedrive_fields.new_field(FORTY, "Campaign", "varchar"))


def _zoho_no_access(server: Any) -> None:
    server.access.clear()
    server.refresh_tokens.clear()


def _zoho_no_right(server: Any) -> None:
    for known in server.refresh_tokens.values():
        known.scopes -= {"ZohoCRM.modules.ALL"}
    server.access = {token: (scopes - {"ZohoCRM.modules.ALL"}, ends) for token, (scopes, ends) in server.access.items()}


def _zoho_own(server: Any) -> None:
    known = server.fields["Contacts"]["Phone"]
    server.fields["Contacts"][FORTY] = {**known, "api_name": FORTY, "field_label": "Campaign", "data_type": "text"}


def _nutshell_own(server: Any) -> None:
    known = next(iter(server.fields.custom["contacts"].values()))
    server.fields.custom["contacts"][FORTY] = {**known, "id": "77-customFields", "name": FORTY, "title": FORTY}


def _entry(mail: str) -> dict[str, object]:
    return {"value": mail, "primary": True, "label": "work"}


BAD: dict[str, Bad] = {
    "hubspot": Bad(
        no_access=lambda server: server.tokens.clear(),
        no_right=lambda server: server.tokens.update({TOKEN: {READ}}),
        writes="PATCH",
        inside={"status": "error", "message": "The service is busy.", "category": "INTERNAL_ERROR"},
        own=FORTY,
        adds=_hubspot_own,
        value_of=lambda server: next(iter(server.contacts.values()))["properties"].get(FORTY),
        twice=_hubspot_twice,
    ),
    "salesforce": Bad(
        no_access=_salesforce_no_access,
        no_right=lambda server: server.forbidden.add("Contact"),
        writes="POST",
        path="/sobjects/Contact",
        inside=[{"errorCode": "UNABLE_TO_LOCK_ROW", "message": "The service is busy."}],
        own=f"{FORTY[:37]}__c",
        adds=_salesforce_own,
        value_of=lambda server: server.people[0].get(f"{FORTY[:37]}__c"),
        twice=lambda server: [server.add("Contact", LastName="L", Email="ada@example.com") for _ in range(2)] and None,
        unknown="No_such_thing__c",
    ),
    "pipedrive": Bad(
        no_access=lambda server: server.tokens.clear(),
        no_right=lambda server: server.faults.append(
            Fault("status", status=403, count=-1, body={"success": False, "error": "Scope and URL mismatch"})
        ),
        writes="POST",
        path="/persons",
        inside={"success": False, "error": "The service is busy."},
        own=FORTY,
        adds=_pipedrive_own,
        value_of=lambda server: server.people[0]["custom_fields"].get(FORTY),
        twice=lambda server: (
            [server.add_person(name="L", emails=[_entry("ada@example.com")]) for _ in range(2)] and None
        ),
        unknown="9" * 40,
    ),
    "zoho": Bad(
        no_access=_zoho_no_access,
        no_right=_zoho_no_right,
        writes="POST",
        path="/upsert",
        inside={"status": "error", "code": "INTERNAL_ERROR", "message": "The service is busy."},
        own=FORTY,
        adds=_zoho_own,
        value_of=lambda server: server.people[0].get(FORTY),
        twice=lambda server: (
            [server.add("Contacts", Last_Name="L", Email="ada@example.com") for _ in range(2)] and None
        ),
    ),
    "nutshell": Bad(
        no_access=lambda server: server.keys.clear(),
        no_right=lambda server: server.keys.update({nutshell.KEY: nutshell.FORMS_ONLY}),
        writes="POST",
        path="/contacts",
        inside={"meta": {}, "errors": [{"status": "500", "title": "The service is busy."}]},
        own=FORTY,
        adds=_nutshell_own,
        value_of=lambda server: next(iter(server.contacts.values()))["customFields"].get(FORTY),
        twice=lambda server: [server.add_contact(email="ada@example.com") for _ in range(2)] and None,
    ),
}
