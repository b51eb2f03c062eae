"""Reads Zoho's answers: what was asked for, or a CrmError of the right class with Zoho's own words.

Success and failure stand beside each other in one answer, whatever its HTTP status says (crm/zoho.md 4 and 10).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta

from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.wire import json_object, retry_after, unreadable
from site2crm.core.http import Response

Item = Mapping[str, object]

STALE = frozenset({"INVALID_TOKEN", "AUTHENTICATION_FAILURE", "INVALID_OAUTHTOKEN"})
_NOTHING = frozenset({204, 304})
_CLASSES = {
    **dict.fromkeys(STALE, ErrorClass.REAUTH),  # it was renewed once before this is read
    **dict.fromkeys(
        ("OAUTH_SCOPE_MISMATCH", "NO_PERMISSION", "AUTHORIZATION_FAILED", "INVALID_MODULE", "NOT_SUPPORTED",
         "INVALID_URL_PATTERN", "INVALID_QUERY", "SYNTAX_ERROR", "FEATURE_NOT_SUPPORTED", "NOT_SUBSCRIBED"),
        ErrorClass.CONFIG,
    ),
    **dict.fromkeys(
        ("RECORD_LOCKED", "DEPENDENT_SERVICE_ERROR", "INTERNAL_ERROR", "SERVICE_UNAVAILABLE"), ErrorClass.RETRY
    ),
    **dict.fromkeys(("TOO_MANY_REQUESTS", "RATE_LIMIT_EXCEEDED"), ErrorClass.THROTTLE),
    **dict.fromkeys(("DUPLICATE_DATA", "ALREADY_MODIFIED"), ErrorClass.CONFLICT),
}  # fmt: skip
_BY_STATUS = {
    401: ErrorClass.REAUTH,
    402: ErrorClass.CONFIG,
    403: ErrorClass.CONFIG,
    404: ErrorClass.CONFIG,
    408: ErrorClass.RETRY,
    425: ErrorClass.RETRY,
    429: ErrorClass.THROTTLE,
}
_PLACE = re.compile(r"\$?\.?data\[\d+\]\.(?P<name>[\w$]+)(?P<below>\..+)?")


class ZohoError(CrmError):
    """`other_id`: the record that holds the value already. `column`: what a query must not ask for."""

    other_id: str | None = None
    column: str | None = None


def is_stale(answer: Response) -> bool:
    """The access token is refused. A missing scope is 401 too, and a new token would not have it either."""
    return answer.status == 401 and _first(json_object(answer.content) or {}).get("code") != "OAUTH_SCOPE_MISMATCH"


def read(answer: Response) -> dict[str, object]:
    """The object in an answer, empty where Zoho says that there is nothing. Raises ZohoError."""
    if answer.status in _NOTHING:
        return {}
    body = json_object(answer.content)
    if body is None:
        raise ZohoError(_class_of(answer.status, "", is_json=False), unreadable("Zoho", answer), code="not_json")
    if 200 <= answer.status < 300 and not (body.get("status") == "error" and body.get("code")):
        return body
    raise refusal(_first(body), status=answer.status, headers=answer.headers)


def read_items(answer: Response, *, count: int, key: str = "data") -> list[Item]:
    """One result for each record that was sent, in the same order. Raises ZohoError if it is not about the records."""
    body = json_object(answer.content) or {}
    told = body.get(key)
    items = [item for item in told if isinstance(item, dict)] if isinstance(told, list) else []
    whole = len(items) == count and all(item.get("status") in ("success", "error") for item in items)
    if whole and (answer.status < 300 or answer.status in (400, 412)):
        return list(items)
    read(answer)
    text = f"Zoho answered {answer.status} with {len(items)} results for {count} records."
    raise ZohoError(ErrorClass.RETRY, text, code="not_json")


def is_success(item: Item) -> bool:
    return item.get("status") == "success"


def id_of(item: Item) -> str:
    """Of the record that was written. Raises ZohoError: an answer without it says nothing about the record."""
    id = _details(item).get("id")
    if isinstance(id, str | int) and not isinstance(id, bool) and str(id).isdecimal():
        return str(id)
    raise ZohoError(ErrorClass.RETRY, "Zoho answered without the record's id.", code="not_json")


def refusal(item: Item, *, status: int = 200, headers: Mapping[str, str] | None = None) -> ZohoError:
    """One complaint, about a record or about the call."""
    details, code = _details(item), str(item.get("code") or status)
    if code == "MULTIPLE_OR_MULTI_ERRORS" and (parts := _parts(details)):
        # For good if one part is; else each of them passes.
        errors = [refusal(part, status=status) for part in parts]
        return next((error for error in errors if error.kind is ErrorClass.PERMANENT), errors[0])
    name, below = _named(details)
    kind = _class_of(status, code, is_json=True)
    if code == "INVALID_DATA" and name == "id" and not below:
        kind = ErrorClass.NOT_FOUND
    error = ZohoError(
        kind, _words(item, code, details, name), code=code, field=name, retry_after=retry_after(headers or {})
    )
    error.other_id, error.column = _other(details), _text(details.get("column_name"))
    return error


def _class_of(status: int, code: str, *, is_json: bool) -> ErrorClass:
    if known := _CLASSES.get(code):
        return known
    if code.startswith("LICENSE_"):
        return ErrorClass.CONFIG
    if 300 <= status < 400:
        return ErrorClass.CONFIG  # a redirect: this is not the API's address
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500 or not is_json:
        return ErrorClass.RETRY  # a page instead of an answer comes from something in between
    return ErrorClass.PERMANENT


def _words(item: Item, code: str, details: Mapping[str, object], name: str | None) -> str:
    """Zoho's sentences are short ("invalid data"): what it says beside them makes them clear."""
    said = str(item.get("message") or code)
    if code == "OAUTH_SCOPE_MISMATCH":
        return f"The access lacks a right. Zoho says: {said}."
    parts = [said[:1].upper() + said[1:]]
    if name:
        parts.append(f"about {name}")
    if expected := _text(details.get("expected_data_type")):
        parts.append(f"(it takes: {expected})")
    if longest := _text(details.get("maximum_length")):
        parts.append(f"(at most {longest} characters)")
    return f"{' '.join(parts)} ({code})."


def _first(body: Mapping[str, object]) -> Item:
    """Errors stand at the top, or inside a list."""
    for key in ("data", "watch", "users", "org"):
        listed = body.get(key)
        if isinstance(listed, list) and listed and isinstance(listed[0], dict) and listed[0].get("code"):
            return listed[0]
    return body


def _details(item: Item) -> Mapping[str, object]:
    details = item.get("details")
    return details if isinstance(details, dict) else {}


def _parts(details: Mapping[str, object]) -> Sequence[Item]:
    listed = details.get("errors")
    return [part for part in listed if isinstance(part, dict)] if isinstance(listed, list) else []


def _named(details: Mapping[str, object]) -> tuple[str | None, bool]:
    """The property that the complaint is about, and whether it is about something inside it."""
    place = _PLACE.fullmatch(str(details.get("json_path") or ""))
    if place and place["name"] != "Deals":  # a conversion's deal: the property stands below
        return place["name"], bool(place["below"])
    return _text(details.get("api_name")), False


def _other(details: Mapping[str, object]) -> str | None:
    """Two spellings are in use."""
    record = details.get("duplicate_record")
    found = record.get("id") if isinstance(record, dict) else details.get("id")
    return _text(found)


def _text(value: object) -> str | None:
    return str(value) if value not in (None, "") else None


WAITS_S = (2, 5, 15, 60, 900, 1800, 3600, 7200)
"""Zoho does not say how long: too many at once is over soon, used-up credits come back in the course of a day."""


def patience(times: int) -> timedelta:
    """How long to wait after so many refusals in a row, the first being 1."""
    return timedelta(seconds=WAITS_S[min(times, len(WAITS_S)) - 1])
