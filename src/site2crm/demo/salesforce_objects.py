"""What an org of Salesforce keeps: its objects and fields, and what it says about a value that does not fit."""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

Field = dict[str, Any]
Problem = dict[str, Any]

PREFIXES = {"Lead": "00Q", "Contact": "003", "Account": "001", "Opportunity": "006", "User": "005", "Task": "00T",
            "Event": "00U", "OpportunityContactRole": "00K", "OpportunityStage": "01J", "Organization": "00D",
            "CurrencyType": "01L"}  # fmt: skip
CHILDREN = {("Opportunity", "OpportunityContactRoles"): ("OpportunityContactRole", "OpportunityId")}
_EMAIL = re.compile(r"[^@\s<>()\[\],;:\\\"]+@[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\.[a-z]{2,}", re.IGNORECASE)
_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_NUMBERS = ("double", "currency", "percent", "int")
_INDUSTRIES = ("Agriculture", "Banking", "Technology")


def standard_objects() -> dict[str, dict[str, Field]]:
    """Standard, custom, read-only, restricted and referring fields, as an org has them."""
    return {name: {item["name"]: item for item in [*_SYSTEM(), *items]} for name, items in _objects().items()}


def problem_with(definition: Field | None, table: str, name: str, *, value: Any, creating: bool) -> Problem | None:
    """Salesforce's complaint about one value, None if there is none."""
    if definition is None:
        return problem("INVALID_FIELD", f"No such column '{name}' on sobject of type {table}")
    if not definition["createable" if creating else "updateable"]:
        text = f"Unable to create/update fields: {name}. Please check the security settings of this field and verify "
        return problem("INVALID_FIELD_FOR_INSERT_UPDATE", text + "that it is read/write for your profile.", name)
    if value is None or value == "":
        return None
    return _problem_of_type(definition, name, value)


def missing(fields: Mapping[str, Field], values: Mapping[str, Any]) -> Problem | None:
    names = [name for name, item in fields.items() if is_required(item) and values.get(name) in (None, "")]
    text = f"Required fields are missing: [{', '.join(names)}]"
    return problem("REQUIRED_FIELD_MISSING", text, *names) if names else None


def is_required(item: Field) -> bool:
    return item["createable"] and not item["nillable"] and not item["defaultedOnCreate"]


def problem(code: str, message: str, *names: str) -> Problem:
    return {"message": message, "errorCode": code, **({"fields": list(names)} if names else {})}


def _problem_of_type(item: Field, name: str, value: Any) -> Problem | None:
    kind, label = item["type"], item["label"]
    if kind in ("double", "currency", "percent", "int") and (
        isinstance(value, bool) or not isinstance(value, int | float)
    ):
        return _unreadable("double", value)
    if kind == "boolean" and not isinstance(value, bool):
        return _unreadable("boolean", value)
    if kind in ("date", "datetime") and not _is_moment(kind, value):
        return _unreadable(kind, value)
    if kind == "email" and not _EMAIL.fullmatch(str(value)):
        return problem("INVALID_EMAIL_ADDRESS", f"{label}: invalid email address: {value}", name)
    if kind == "reference" and not _ID.fullmatch(str(value)):
        return problem("MALFORMED_ID", f"{label}: id value of incorrect type: {value}", name)
    allowed = {choice["value"] for choice in item["picklistValues"] if choice["active"]}
    if item.get("restrictedPicklist") and not set(str(value).split(";")) <= allowed:
        text = f"{label}: bad value for restricted picklist field: {value}"
        return problem("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", text, name)
    if item["length"] and len(str(value)) > item["length"]:
        text = f"{label}: data value too large: {value} (max length={item['length']})"
        return problem("STRING_TOO_LONG", text, name)
    return None


def _unreadable(kind: str, value: Any) -> Problem:
    text = f"Cannot deserialize instance of {kind} from VALUE_STRING value {value} or request may be missing a required"
    return problem("JSON_PARSER_ERROR", f"{text} field at [line:1, column:2]")


def _is_moment(kind: str, value: Any) -> bool:
    try:
        (date if kind == "date" else datetime).fromisoformat(str(value))
    except ValueError:
        return False
    return True


def _field(
    name: str,
    type: str = "string",
    *,
    label: str = "",
    length: int = 255,
    nillable: bool = True,
    readonly: bool = False,
    defaulted: bool = False,
    choices: tuple[str, ...] = (),
    refers: tuple[str, ...] = (),
) -> Field:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removesuffix("__c").removesuffix("Id")).replace("_", " ")
    listed = [{"value": text, "label": text, "active": True, "defaultValue": False} for text in choices]
    return {
        "name": name, "label": label or words or name, "type": type,
        "length": length if type in ("string", "textarea", "email", "phone", "url") else 0, "nillable": nillable,
        "createable": not readonly, "updateable": not readonly, "custom": name.endswith("__c"), "externalId": False,
        "unique": False, "idLookup": type in ("id", "email"), "defaultedOnCreate": defaulted,
        "referenceTo": list(refers), "picklistValues": listed, "restrictedPicklist": bool(choices),
    }  # fmt: skip


def _SYSTEM() -> Iterator[Field]:  # noqa: N802 - Salesforce's own word for what every object has
    yield _field("Id", "id", nillable=False, readonly=True, defaulted=True, label="Record ID")
    yield _field("IsDeleted", "boolean", nillable=False, readonly=True, defaulted=True)
    for name in ("CreatedDate", "LastModifiedDate", "SystemModstamp"):
        yield _field(name, "datetime", nillable=False, readonly=True, defaulted=True)


def _people() -> list[Field]:
    return [
        _field("FirstName", length=40),
        _field("LastName", length=80, nillable=False),
        _field("Name", readonly=True, label="Full Name"),
        _field("Title", length=128),
        _field("Email", "email", length=80),
        _field("Phone", "phone", length=40),
        _field("MobilePhone", "phone", length=40, label="Mobile Phone"),
        _field("Description", "textarea", length=32_000),
        _field("LeadSource", "picklist", choices=("Web", "Phone Inquiry", "Partner Referral", "Other")),
        _field("HasOptedOutOfEmail", "boolean", nillable=False, defaulted=True, label="Email Opt Out"),
        _field("OwnerId", "reference", nillable=False, defaulted=True, refers=("Group", "User"), label="Owner ID"),
        _field("MasterRecordId", "reference", readonly=True, label="Master Record ID"),
        _field("Favourite_colour__c", "picklist", choices=("Red", "Green", "Blue")),
        _field("Topics__c", "multipicklist", choices=("seo", "ads", "crm")),
        _field("Newsletter__c", "boolean", nillable=False, defaulted=True),
        _field("Budget__c", "currency"),
        _field("First_contact__c", "date"),
        _field("Score__c", "double", readonly=True),
    ]


def _work(*names: str) -> list[Field]:
    return [
        *(_field(name) for name in names),
        _field("Description", "textarea", length=32_000),
        _field("OwnerId", "reference", nillable=False, defaulted=True, refers=("User",), label="Owner ID"),
        _field("WhoId", "reference", refers=("Contact", "Lead"), label="Name ID"),
        _field("WhatId", "reference", refers=("Account", "Opportunity"), label="Related To ID"),
        _field("ActivityDate", "date", label="Due Date Only"),
    ]


def _objects() -> dict[str, list[Field]]:
    return {**_buyers(), **_sales(), **_desk()}


def _buyers() -> dict[str, list[Field]]:
    return {
        "Lead": [
            *_people(),
            _field("Company", nillable=False),
            _field("Website", "url"),
            _field("City", length=40),
            _field("Country", length=80),
            _field("Status", "picklist", defaulted=True, nillable=False, choices=("Open - Not Contacted", "Working")),
            _field("Industry", "picklist", choices=_INDUSTRIES),
            _field("IsConverted", "boolean", nillable=False, readonly=True, defaulted=True),
            *(_field(f"Converted{it}Id", "reference", readonly=True) for it in ("Contact", "Account", "Opportunity")),
        ],
        "Contact": [
            *_people(),
            _field("AccountId", "reference", refers=("Account",), label="Account ID"),
            _field("MailingCity", length=40),
            _field("MailingCountry", length=80),
        ],
        "Account": [
            _field("Name", nillable=False, label="Account Name"),
            _field("Website", "url"),
            _field("Industry", "picklist", choices=_INDUSTRIES),
        ],
    }


def _sales() -> dict[str, list[Field]]:
    return {
        "Opportunity": [
            _field("Name", length=120, nillable=False),
            _field("StageName", nillable=False),
            _field("CloseDate", "date", nillable=False),
            _field("Amount", "currency"),
            _field("Probability", "percent"),
            _field("AccountId", "reference", refers=("Account",), label="Account ID"),
            _field("OwnerId", "reference", nillable=False, defaulted=True, refers=("User",), label="Owner ID"),
            _field("LeadSource", "picklist", choices=("Web", "Phone Inquiry", "Partner Referral", "Other")),
            _field("Description", "textarea", length=32_000),
            _field("NextStep"),
            _field("LastStageChangeDate", "datetime", readonly=True),
            *(_field(name, "boolean", nillable=False, readonly=True, defaulted=True) for name in ("IsClosed", "IsWon")),
        ],
        "OpportunityContactRole": [
            _field("OpportunityId", "reference", nillable=False, refers=("Opportunity",)),
            _field("ContactId", "reference", nillable=False, refers=("Contact",)),
            _field("Role", "picklist"),
            _field("IsPrimary", "boolean", nillable=False, defaulted=True),
        ],
        "OpportunityStage": [
            *(_field(name, readonly=True) for name in ("ApiName", "MasterLabel", "ForecastCategoryName")),
            *(_field(name, "int", readonly=True) for name in ("SortOrder", "DefaultProbability")),
            *(_field(name, "boolean", readonly=True) for name in ("IsActive", "IsClosed", "IsWon")),
        ],
    }


def _desk() -> dict[str, list[Field]]:
    return {
        "Task": [
            *_work("Subject", "Status", "Type", "TaskSubtype", "CallType", "CallDisposition"),
            _field("CallDurationInSeconds", "int"),
            _field("IsClosed", "boolean", nillable=False, readonly=True, defaulted=True),
            _field("CompletedDateTime", "datetime", readonly=True),
        ],
        "Event": [*_work("Subject"), _field("StartDateTime", "datetime"), _field("EndDateTime", "datetime")],
        "User": [*map(_field, ("Name", "Email", "UserType", "TimeZoneSidKey")), _field("IsActive", "boolean")],
        "Organization": [_field("Name", readonly=True), _field("DefaultCurrencyIsoCode", readonly=True)],
    }
