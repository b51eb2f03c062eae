"""The invented Zoho CRM's modules and fields, and what Zoho says about a value that does not fit one."""

import itertools
import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

_EMAIL = re.compile(r"[^@\s<>()\[\],;:\\\"]+@[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\.[a-z]{2,}", re.IGNORECASE)
_PHONE = re.compile(r"[+\d][\d\s().\-/x]{0,29}")
_ids = itertools.count(5550000001000)
_JSON = {"integer": "integer", "double": "double", "currency": "double", "boolean": "boolean",
         "multiselectpicklist": "jsonarray", "lookup": "jsonobject", "ownerlookup": "jsonobject"}  # fmt: skip

Field = dict[str, Any]


def modules(*, currencies: Sequence[str] = ()) -> dict[str, dict[str, Field]]:
    """The fields of each module by their API names. With several currencies the deals have one each."""
    money = [_field("Currency", "Currency", "picklist", choices=currencies),
             _field("Exchange_Rate", "Exchange Rate", "double")] if currencies else []  # fmt: skip
    return {
        "Leads": _by_name(_person(), [
            _field("Company", "Company", required=True),
            _field("Lead_Status", "Lead Status", "picklist", choices=("Contacted", "Lost Lead")),
            _field("Designation", "Title"),
            _field("Annual_Revenue", "Annual Revenue", "currency"),
            _field("No_of_Employees", "No. of Employees", "integer"),
            _field("Website", "Website", "website"),
            _field("City", "City"), _field("Street", "Street"), _field("Country", "Country"),
            _field("Favourite_Colour", "Favourite colour", "picklist", choices=("red", "green", "blue"), custom=True),
            _field("Topics", "Topics", "multiselectpicklist", choices=("seo", "ads", "crm"), custom=True),
            _field("Newsletter", "Newsletter", "boolean", custom=True),
            _field("Budget", "Budget", "double", custom=True),
            _field("Call_me_at", "Call me at", "datetime", custom=True),
            _field("Born", "Born", "date", custom=True),
            _field("A" * 40, "A long one", custom=True),
            _field("Score", "Score", "integer", writable=False),
            _field("Converted__s", "Is Converted", "boolean", writable=False),
            _field("Converted_Contact", "Converted Contact", "lookup", writable=False),
            _field("Converted_Deal", "Converted Deal", "lookup", writable=False),
        ]),
        "Contacts": _by_name(_person(), [
            _field("Account_Name", "Account Name", "lookup"),
            _field("Title", "Title"),
            _field("Mailing_City", "Mailing City"), _field("Mailing_Street", "Mailing Street"),
            _field("Mailing_Country", "Mailing Country"),
            _field("Budget", "Budget", "double", custom=True),
        ]),
        "Accounts": _by_name(_common(), [_field("Account_Name", "Account Name", required=True),
                                         _field("Website", "Website", "website")]),
        "Deals": _by_name(_common(), [
            _field("Deal_Name", "Deal Name", required=True),
            _field("Stage", "Stage", "picklist", required=True, choices=[stage for stage, _ in STAGES]),
            _field("Pipeline", "Pipeline", "picklist", choices=("Standard", "Partners")),
            _field("Amount", "Amount", "currency"),
            _field("Closing_Date", "Closing Date", "date", required=True),
            _field("Account_Name", "Account Name", "lookup"),
            _field("Contact_Name", "Contact Name", "lookup"),
            _field("Lead_Source", "Lead Source", "picklist", choices=SOURCES),
            _field("Description", "Description", "textarea"),
            _field("Next_Step", "Next Step"),
            *money,
        ]),
        "Calls": _by_name(_common(), [
            _field("Subject", "Subject"), _field("Call_Type", "Call Type", "picklist"),
            _field("Call_Start_Time", "Call Start Time", "datetime"), _field("Call_Duration", "Call Duration"),
            _field("Call_Duration_in_seconds", "Call Duration (in seconds)", "integer"),
            _field("Who_Id", "Contact Name", "lookup"), _field("What_Id", "Related To", "lookup"),
        ]),
        "Events": _by_name(_common(), [
            _field("Event_Title", "Title"), _field("Start_DateTime", "From", "datetime"),
            _field("End_DateTime", "To", "datetime"),
            _field("Who_Id", "Contact Name", "lookup"), _field("What_Id", "Related To", "lookup"),
        ]),
        "Tasks": _by_name(_common(), [
            _field("Subject", "Subject"), _field("Status", "Status", "picklist"),
            _field("Due_Date", "Due Date", "date"), _field("Closed_Time", "Closed Time", "datetime", writable=False),
            _field("Who_Id", "Contact Name", "lookup"), _field("What_Id", "Related To", "lookup"),
        ]),
        "Notes": _by_name(_common(), [_field("Note_Title", "Note Title"), _field("Note_Content", "Note", "textarea"),
                                      _field("Parent_Id", "Parent", "lookup")]),
    }  # fmt: skip


SOURCES = ("Web", "Advertisement", "Cold Call", "External Referral")
STAGES = (("Qualification", "Open"), ("Proposal/Price Quote", "Open"), ("Closed Won", "Closed Won"),
          ("Closed Lost", "Closed Lost"))  # fmt: skip


def refusal(field: Field | None, name: str, value: Any) -> dict[str, Any] | None:
    """Zoho's complaint about one value: the `details` of its error, `None` if it takes it."""
    if field is None or not field["operation_type"]["api_create"]:
        return {"api_name": name}
    if value is None:
        return None
    wanted, fits = _wanted(field, value)
    if not fits:
        return {"api_name": name, "expected_data_type": wanted}
    if isinstance(value, str) and len(value) > field["length"]:
        return {"api_name": name, "maximum_length": field["length"]}
    return None


def _wanted(field: Field, value: Any) -> tuple[str, bool]:
    choices = {choice["actual_value"] for choice in field["pick_list_values"] or ()}
    match field["data_type"]:
        case "email":
            return "email", isinstance(value, str) and bool(_EMAIL.fullmatch(value))
        case "phone":
            return "phone", isinstance(value, str) and bool(_PHONE.fullmatch(value))
        case "picklist":
            return "picklist", isinstance(value, str) and (not choices or value in choices)
        case "multiselectpicklist":
            return "jsonarray", isinstance(value, list) and set(value) <= choices
        case "boolean":
            return "boolean", isinstance(value, bool)
        case "integer":
            return "integer", isinstance(value, int) and not isinstance(value, bool)
        case "double" | "currency":
            return "double", isinstance(value, int | float) and not isinstance(value, bool)
        case "date":
            return "date", _is_date(value)
        case "datetime":
            return "datetime", _is_moment(value)
        case "lookup" | "ownerlookup":
            return "jsonobject", isinstance(value, dict) and str(value.get("id", "")).isdecimal()
    return "text", isinstance(value, str)


def _is_date(value: Any) -> bool:
    try:
        return bool(date.fromisoformat(value).isoformat() == value)
    except (ValueError, TypeError):
        return False


def _is_moment(value: Any) -> bool:
    """With an offset, without fractions of a second."""
    try:
        return bool(datetime.fromisoformat(value).isoformat(timespec="seconds") == value)
    except (ValueError, TypeError):
        return False


def _by_name(*groups: list[Field]) -> dict[str, Field]:
    return {field["api_name"]: field for field in itertools.chain(*groups)}


def _common() -> list[Field]:
    return [
        _field("id", "Record Id", "bigint", writable=False),
        _field("Owner", "Owner", "ownerlookup"),
        _field("Created_Time", "Created Time", "datetime", writable=False),
        _field("Modified_Time", "Modified Time", "datetime", writable=False),
    ]


def _person() -> list[Field]:
    return [
        *_common(),
        _field("First_Name", "First Name"),
        _field("Last_Name", "Last Name", required=True),
        _field("Email", "Email", "email"),
        _field("Phone", "Phone", "phone"),
        _field("Mobile", "Mobile", "phone"),
        _field("Lead_Source", "Lead Source", "picklist", choices=SOURCES),
        _field("Description", "Description", "textarea"),
    ]


def _field(
    name: str,
    label: str,
    type: str = "text",
    *,
    required: bool = False,
    writable: bool = True,
    custom: bool = False,
    choices: Sequence[str] = (),
) -> Field:
    """One definition with all members that the vendor always sends."""
    return {
        "api_name": name, "field_label": label, "display_label": label, "data_type": type,
        "json_type": _JSON.get(type, "string"), "length": 32_000 if type == "textarea" else 255,
        "system_mandatory": required, "custom_field": custom, "read_only": not writable,
        "field_read_only": not writable, "visible": True, "unique": {}, "id": str(next(_ids)), "type": "used",
        "operation_type": {"web_update": writable, "api_create": writable, "web_create": writable,
                           "api_update": writable},
        "pick_list_values": _choices(choices), "webhook": True, "association_details": None,
        "businesscard_supported": False, "multi_module_lookup": None, "filterable": True, "profiles": [],
        "view_type": {"view": True, "edit": writable, "quick_create": required, "create": writable},
        "separator": False, "searchable": True, "history_tracking_enabled": False, "external": None,
        "enable_colour_code": False, "colour_code_enabled_by_system": False, "virtual_field": False,
        "created_source": "default", "display_type": -1, "ui_type": 1, "public": False,
        "email_parser": {"fields_update_supported": True, "record_operations_supported": True}, "currency": {},
        "lookup": {}, "convert_mapping": {}, "rollup_summary": {}, "display_field": False,
        "pick_list_values_sorted_lexically": False, "sortable": True, "formula": {}, "mass_update": True,
        "multiselectlookup": {}, "auto_number": {}, "range": None, "crypt": None,
    }  # fmt: skip


def _choices(names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"display_value": name.title() if name.islower() else name, "actual_value": name, "reference_value": name,
         "sequence_number": number, "id": str(next(_ids)), "type": "used"}
        for number, name in enumerate(names, 1)
    ]  # fmt: skip
