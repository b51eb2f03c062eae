"""Reads HubSpot's answers: a JSON object, or a CrmError of the right class with HubSpot's own words."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.wire import embedded_json, json_object, retry_after, unreadable
from site2crm.core.http import Response
from site2crm.kit import clock

# Without Retry-After, which HubSpot does not promise (crm/hubspot.md 9).
_WAITS = {"SECONDLY": timedelta(seconds=1), "TEN_SECONDLY_ROLLING": timedelta(seconds=10)}
_ALWAYS = {
    401: ErrorClass.REAUTH,
    408: ErrorClass.RETRY,
    423: ErrorClass.RETRY,
    425: ErrorClass.RETRY,
    429: ErrorClass.THROTTLE,
    477: ErrorClass.RETRY,  # the account is being moved to another data centre
}
_REFUSALS = {
    402: ErrorClass.CONFIG,
    403: ErrorClass.CONFIG,
    404: ErrorClass.NOT_FOUND,
    409: ErrorClass.CONFLICT,
}
_LOCKED = timedelta(seconds=2)
_UNWRITABLE = {"PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE", "PROPERTY_READ_ONLY"}
_UNWRITABLE_TEXT = re.compile(r"^property \S+ does not exist|read[- ]only", re.IGNORECASE)
_EXISTING_ID = re.compile(r"existing id:\s*(\d+)", re.IGNORECASE)
_QUOTED = re.compile(r"\"([\w.-]+)\"|'([\w.-]+)'")


class Problem(NamedTuple):
    """One complaint about one property (`name`)."""

    code: str
    name: str | None
    text: str

    @property
    def unwritable(self) -> bool:
        """The property is unknown or read-only: the record can be delivered without it."""
        return self.code in _UNWRITABLE or (not self.code and bool(_UNWRITABLE_TEXT.search(self.text)))


class HubSpotError(CrmError):
    """A refusal, with what was said about each property."""

    problems: tuple[Problem, ...] = ()

    @property
    def existing_id(self) -> str | None:
        """The contact that holds the e-mail already: HubSpot names it in the sentence only."""
        found = _EXISTING_ID.search(self.text)
        return found[1] if found else None


def read(answer: Response, *, tz: str | None) -> dict[str, object]:
    """The record or list in an answer. Raises HubSpotError."""
    body = json_object(answer.content)
    if answer.status == 207:
        return _first_of_batch(body or {})
    if 200 <= answer.status < 300:
        if body is None:
            raise HubSpotError(ErrorClass.RETRY, unreadable("HubSpot", answer), code="not_json")
        if body.get("status") == "error" and _message(body):
            raise HubSpotError(ErrorClass.RETRY, _message(body), code=_code(body, answer.status))
        return body
    raise _refusal(answer, body, tz=tz)


def midnight(tz: str | None) -> timedelta:
    """Until the day ends in the portal's time zone: HubSpot's daily limit starts anew then."""
    try:
        zone = ZoneInfo(tz or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        zone = ZoneInfo("UTC")
    now = clock.now().astimezone(zone)
    tomorrow = now.date() + timedelta(days=1)
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone) - now


def _refusal(answer: Response, body: dict[str, object] | None, *, tz: str | None) -> HubSpotError:
    status, said = answer.status, body or {}
    problems = _problems(said)
    text = "; ".join(problem.text for problem in problems if problem.name) or _message(said)
    error = HubSpotError(
        _class_of(status, is_json=body is not None),
        text or unreadable("HubSpot", answer),
        code=problems[0].code if problems and problems[0].code else _code(said, status),
        field=next((problem.name for problem in problems if problem.name), None),
        retry_after=_wait(status, said, answer.headers, tz=tz),
    )
    error.problems = problems
    if status == 403 and (scopes := _scopes(said)):
        error.text = f"The token lacks the right {', '.join(scopes)}. HubSpot says: {text}"
    return error


def _class_of(status: int, *, is_json: bool) -> ErrorClass:
    if status < 400:
        return ErrorClass.CONFIG  # a redirect: this is not the API's address
    if status in _ALWAYS:
        return _ALWAYS[status]
    if status >= 500 or not is_json:
        return ErrorClass.RETRY  # a page instead of an answer comes from something in between
    return _REFUSALS.get(status, ErrorClass.PERMANENT)


def _wait(status: int, said: dict[str, object], headers: Mapping[str, str], *, tz: str | None) -> timedelta | None:
    asked = retry_after(headers)
    if status == 423:
        return max(asked or _LOCKED, _LOCKED)
    if status != 429 or asked is not None:
        return asked
    policy = str(said.get("policyName", ""))
    return midnight(tz) if policy == "DAILY" else _WAITS.get(policy, timedelta(seconds=10))


def _problems(said: dict[str, object]) -> tuple[Problem, ...]:
    """Both forms in use: `errors[]`, and a JSON list inside the message."""
    listed = said.get("errors") or embedded_json(_message(said))
    found = [_problem(item) for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    if not found and _UNWRITABLE_TEXT.search(_message(said)):
        found = [Problem("", _quoted(_message(said)), _message(said))]
    return tuple(found)


def _problem(item: dict[str, object]) -> Problem:
    text = str(item.get("message") or item.get("localizedErrorMessage") or "")
    context = item.get("context")
    names = context.get("propertyName") if isinstance(context, dict) else None
    name = names[0] if isinstance(names, list) and names else item.get("name") or _quoted(text)
    return Problem(str(item.get("code") or item.get("error") or ""), str(name) if name else None, text)


def _quoted(text: str) -> str | None:
    found = _QUOTED.search(text)
    return (found[1] or found[2]) if found else None


def _scopes(said: dict[str, object]) -> list[str]:
    """The scopes that HubSpot names as missing, wherever it puts them."""
    errors = said.get("errors")
    places = [said, *(errors if isinstance(errors, list) else [])]
    scopes: list[str] = []
    for place in places:
        context = place.get("context") if isinstance(place, dict) else None
        for key in ("requiredGranularScopes", "requiredScopes"):
            names = context.get(key) if isinstance(context, dict) else None
            scopes += [str(name) for name in names] if isinstance(names, list) else []
    return list(dict.fromkeys(scopes))


def _first_of_batch(body: dict[str, object]) -> dict[str, object]:
    """207: per-item results; an error among them is the answer, for we send one item at a time."""
    errors, results = body.get("errors"), body.get("results")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        problem = _problem(errors[0])
        code = str(errors[0].get("category") or problem.code)
        raise HubSpotError(ErrorClass.PERMANENT, problem.text, code=code, field=problem.name)
    if isinstance(results, list) and results and isinstance(results[0], dict):
        return results[0]
    raise HubSpotError(ErrorClass.RETRY, "HubSpot answered 207 without a result.", code="not_json")


def _message(said: dict[str, object]) -> str:
    return str(said.get("message") or said.get("error_description") or "")


def _code(said: dict[str, object], status: int) -> str:
    return str(said.get("policyName") or said.get("category") or status)
