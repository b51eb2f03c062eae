"""Reads Salesforce's answers: JSON, or a CrmError of the right class, in its own words (crm/salesforce.md 10).

REST refuses with a list of errors, a collection with a result for each record, the sign-in with an object. What stands
in between (edge, maintenance) may answer with a page, whatever was asked for.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

import msgspec

from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.wire import decoded, retry_after, unreadable
from site2crm.core.http import Response

_AMOUNTS = msgspec.json.Decoder(float_hook=Decimal)
"""Amounts as they are written: a float would change them."""
USED_UP = timedelta(minutes=15)
"""The limit is one of any 24 hours, and no answer says when there is room again."""
_TOO_MANY_AT_ONCE = timedelta(seconds=5)
_LONGEST_AT_ONCE, _LONGEST_USED_UP = timedelta(minutes=5), timedelta(hours=2)

_CLASSES = {
    "INVALID_SESSION_ID": ErrorClass.REAUTH,
    "INVALID_AUTH_HEADER": ErrorClass.REAUTH,
    "REQUEST_LIMIT_EXCEEDED": ErrorClass.THROTTLE,
    "API_DISABLED_FOR_ORG": ErrorClass.CONFIG,
    "API_CURRENTLY_DISABLED": ErrorClass.CONFIG,
    "INSUFFICIENT_ACCESS": ErrorClass.CONFIG,
    "INSUFFICIENT_ACCESS_OR_READONLY": ErrorClass.CONFIG,
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": ErrorClass.CONFIG,
    "FUNCTIONALITY_NOT_ENABLED": ErrorClass.CONFIG,
    "TXN_SECURITY_METERING_ERROR": ErrorClass.CONFIG,
    "INVALID_FIELD": ErrorClass.CONFIG,
    "INVALID_FIELD_FOR_INSERT_UPDATE": ErrorClass.CONFIG,
    "INVALID_TYPE": ErrorClass.CONFIG,
    "UNSUPPORTED_API_VERSION": ErrorClass.CONFIG,
    "DUPLICATES_DETECTED": ErrorClass.CONFLICT,
    "DUPLICATE_VALUE": ErrorClass.CONFLICT,
    "ENTITY_IS_DELETED": ErrorClass.NOT_FOUND,
    "NOT_FOUND": ErrorClass.NOT_FOUND,
    "INVALID_CROSS_REFERENCE_KEY": ErrorClass.NOT_FOUND,
    "UNABLE_TO_LOCK_ROW": ErrorClass.RETRY,
    "QUERY_TIMEOUT": ErrorClass.RETRY,
    "SERVER_UNAVAILABLE": ErrorClass.RETRY,
    "UNKNOWN_EXCEPTION": ErrorClass.RETRY,
    "INVALID_QUERY_LOCATOR": ErrorClass.RETRY,
}
_PASSING = {406, 408, 420, 425}
_UNWRITABLE = {"INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE"}
_COLUMN = re.compile(r"No such column '([\w.]+)'|fields?: ([\w, ]+?)\. Please check", re.IGNORECASE)
_HOLDER = re.compile(r"record with id: (\w{15,18})")
_UNREADABLE = re.compile(r"from VALUE_STRING value (.*?) or request may be missing")


class SalesforceError(CrmError):
    """A refusal. `unwritable`: fields that the user may not see or fill; `holders`: records that are the same."""

    unwritable: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()
    unreadable: str = ""
    """The value that made the whole request unreadable."""


def read(answer: Response) -> object:
    """The JSON in an answer, None for 204. Raises SalesforceError."""
    status = answer.status
    body = decoded(answer.content, _AMOUNTS)
    if status == 204:
        return None
    if 200 <= status < 300 and body is None:
        raise SalesforceError(ErrorClass.RETRY, unreadable("Salesforce", answer), code="not_json")
    refusals = [item for item in body if isinstance(item, dict)] if isinstance(body, list) else []
    if refusals and (status >= 400 or "errorCode" in refusals[0]):
        raise refused(refusals, status=status, headers=answer.headers)
    if 200 <= status < 300:
        return body
    raise _other(answer, is_json=body is not None)


def result(item: object) -> str:
    """The id in one result of a collection. Raises SalesforceError: a 200 says nothing about the records in it."""
    said = item if isinstance(item, dict) else {}
    id = said.get("id")
    if said.get("success") is True and isinstance(id, str) and id:
        return id
    errors = said.get("errors")
    refusals = [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    if not refusals:
        raise SalesforceError(ErrorClass.RETRY, "Salesforce answered without the record's id.", code="not_json")
    raise refused(refusals, status=400)


def refused(
    refusals: Sequence[Mapping[str, object]], *, status: int, headers: Mapping[str, str] | None = None
) -> SalesforceError:
    """The first complaint is the error's; fields that cannot be written are taken from all of them."""
    codes = [str(item.get("errorCode") or item.get("statusCode") or "") for item in refusals]
    main = next((at for at, code in enumerate(codes) if code not in _UNWRITABLE), 0)
    said, code = refusals[main], codes[main]
    text = _sentence(str(said.get("message") or code))
    kind = _class_of(code, status)
    error = SalesforceError(
        kind,
        _explained(code, text),
        code=code,
        field=next(iter(_fields_of(said)), None),
        retry_after=_wait(code, text, kind),
    )
    if headers and (asked := retry_after(headers)) is not None:
        error.retry_after = asked
    unwritable = [item for item, its in zip(refusals, codes, strict=True) if its in _UNWRITABLE]
    error.unwritable = tuple(name for item in unwritable for name in _fields_of(item))
    error.holders = tuple(holder for item in refusals for holder in _holders(item))
    if found := _UNREADABLE.search(text):
        error.unreadable = found[1]
    return error


def longest(wait: timedelta) -> timedelta:
    """What this wait may grow to while the limit goes on being reached."""
    return _LONGEST_USED_UP if wait >= USED_UP else _LONGEST_AT_ONCE


def not_answered() -> SalesforceError:
    return SalesforceError(ErrorClass.RETRY, "Salesforce answered with something else than was asked.", code="not_json")


def _class_of(code: str, status: int) -> ErrorClass:
    if status == 429:
        return ErrorClass.THROTTLE
    if code in _CLASSES:
        return _CLASSES[code]
    if status == 401:
        return ErrorClass.REAUTH
    if status >= 500 or status in _PASSING:
        return ErrorClass.RETRY
    return ErrorClass.CONFIG if status in (403, 410) else ErrorClass.PERMANENT


def _other(answer: Response, *, is_json: bool) -> SalesforceError:
    """No list of errors: a page, half a document, a redirect."""
    status = answer.status
    text = unreadable("Salesforce", answer)
    if status in (414, 431):
        return SalesforceError(ErrorClass.PERMANENT, text, code=str(status))
    if status == 401:
        return SalesforceError(ErrorClass.REAUTH, text, code="401")
    if status == 410:
        return SalesforceError(ErrorClass.CONFIG, f"The API version is retired. {text}", code="410")
    if 300 <= status < 400:
        return SalesforceError(ErrorClass.CONFIG, f"This is not the API's address. {text}", code=str(status))
    if status == 429:
        wait = retry_after(answer.headers) or _TOO_MANY_AT_ONCE
        return SalesforceError(ErrorClass.THROTTLE, text, code="429", retry_after=wait)
    kind = ErrorClass.RETRY if status >= 500 or status in _PASSING or not is_json else ErrorClass.PERMANENT
    return SalesforceError(kind, text, code=str(status), retry_after=retry_after(answer.headers))


def _wait(code: str, text: str, kind: ErrorClass) -> timedelta | None:
    if kind is not ErrorClass.THROTTLE:
        return None
    return USED_UP if code == "REQUEST_LIMIT_EXCEEDED" and "concurrent" not in text.casefold() else _TOO_MANY_AT_ONCE


def _sentence(message: str) -> str:
    """Without the query that stands before a complaint about a column."""
    return message[message.find("No such column") :] if "No such column" in message else message.strip()


def _explained(code: str, text: str) -> str:
    """What a client can act on, before Salesforce's own words."""
    if code in ("API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED"):
        return f"The API is switched off for this org or user. Salesforce says: {text}"
    if code.startswith("INSUFFICIENT_ACCESS"):
        return f"The connected user lacks a right. Salesforce says: {text}"
    if code == "REQUEST_LIMIT_EXCEEDED":
        return f"The org's limit of API calls is reached. Salesforce says: {text}"
    return text


def _fields_of(item: Mapping[str, object]) -> list[str]:
    names = item.get("fields")
    listed = [str(name) for name in names if name] if isinstance(names, list) else []
    if listed:
        return listed
    found = _COLUMN.search(str(item.get("message", "")))
    return [name.strip() for name in (found[1] or found[2]).split(",")] if found else []


def _holders(item: Mapping[str, object]) -> list[str]:
    """Records that a duplicate rule or a unique field named."""
    told = item.get("duplicateResult") or item.get("duplicateResut")  # recorded answers spell it so
    found: list[str] = []
    matches = told.get("matchResults") if isinstance(told, dict) else None
    for match in matches if isinstance(matches, list) else []:
        records = match.get("matchRecords") if isinstance(match, dict) else None
        for record in records if isinstance(records, list) else []:
            inner = record.get("record") if isinstance(record, dict) else None
            if isinstance(inner, dict) and isinstance(inner.get("Id"), str):
                found.append(inner["Id"])
    named = _HOLDER.search(str(item.get("message", "")))
    return [*found, *([named[1]] if named else [])]
