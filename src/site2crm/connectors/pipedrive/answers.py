"""Reads Pipedrive's answers: a JSON object, or a CrmError of the right class with Pipedrive's own words."""

import re
from datetime import timedelta
from typing import NamedTuple

from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.wire import count, json_object, retry_after, unreadable
from site2crm.core.http import Response

BLOCKED = timedelta(minutes=10)
"""After Cloudflare's page, which comes when refusals were ignored (crm/pipedrive.md 9)."""
BURST = timedelta(seconds=2)
_CLASSES = {
    401: ErrorClass.REAUTH,
    402: ErrorClass.CONFIG,  # the trial is over, or nobody has paid
    403: ErrorClass.CONFIG,
    404: ErrorClass.NOT_FOUND,
    408: ErrorClass.RETRY,
    410: ErrorClass.NOT_FOUND,
    415: ErrorClass.CONFIG,  # a feature that this account has not
    425: ErrorClass.RETRY,
    429: ErrorClass.THROTTLE,
    501: ErrorClass.PERMANENT,
}
_INTRODUCTION = "Validation failed:"
_NO_INFORMATION = "Please check developers.pipedrive.com"
_UNWRITABLE = re.compile(r"unknown key|is not allowed for this request|does not exist|read[- ]only", re.IGNORECASE)
GONE = "Pipedrive has no such field any more."
_UNKNOWN = "unknown key"
_HASH = re.compile(r"\b[0-9a-f]{40}\b")
_QUOTED = re.compile(r"(?:key|Parameter|field) '([\w.]+)'")


class Problem(NamedTuple):
    """One complaint about one property; `name` is Pipedrive's: a hash, or the path in the body."""

    name: str
    text: str

    @property
    def unwritable(self) -> bool:
        """The property is unknown or read-only: the record can be delivered without it."""
        return bool(_UNWRITABLE.search(self.text))

    @property
    def told(self) -> str:
        """To people: a hash that Pipedrive does not know says nothing to anybody."""
        return GONE if self.text.casefold().startswith(_UNKNOWN) else self.text


class PipedriveError(CrmError):
    """A refusal, with what was said about each property."""

    problems: tuple[Problem, ...] = ()


def read(answer: Response) -> dict[str, object]:
    """What Pipedrive answered. Raises PipedriveError, also for `success: false` under a good status."""
    body = json_object(answer.content)
    if body is not None and 200 <= answer.status < 300 and body.get("success") is not False:
        return body
    status = answer.status
    if body is not None and 200 <= status < 300:
        told = body.get("errorCode")
        status = told if isinstance(told, int) and 400 <= told < 600 else 500
    raise _refusal(answer, body, status=status)


def _refusal(answer: Response, body: dict[str, object] | None, *, status: int) -> PipedriveError:
    problems = _problems(_text(body, "error")) if status in (400, 422) else ()
    error = PipedriveError(
        _class_of(status, body),
        "; ".join(problem.text for problem in problems)
        or _words(body)
        or (_not_json(answer) if body is None else f"Pipedrive answered {status} without a reason."),
        code=str((body or {}).get("code") or status),
        field=problems[0].name if problems else None,
        retry_after=_wait(answer, status=status, is_json=body is not None),
    )
    error.problems = problems
    return error


def _class_of(status: int, body: dict[str, object] | None) -> ErrorClass:
    if 300 <= status < 400:
        return ErrorClass.CONFIG  # a redirect: this is not the API's address
    if status in (401, 429):
        return _CLASSES[status]
    if body is None:
        # A page instead of an answer comes from something in between; under 403 it is Cloudflare's.
        return ErrorClass.THROTTLE if status == 403 else ErrorClass.RETRY
    if status == 400 and "authorization" in _words(body).lower():
        return ErrorClass.REAUTH
    return _CLASSES.get(status, ErrorClass.RETRY if status >= 500 else ErrorClass.PERMANENT)


def _wait(answer: Response, *, status: int, is_json: bool) -> timedelta | None:
    asked = retry_after(answer.headers)
    if status == 403 and not is_json:
        return max(asked or BLOCKED, BLOCKED)
    if status != 429 or asked is not None:
        return asked
    reset_s = count(answer.headers, "x-ratelimit-reset")
    return timedelta(seconds=min(reset_s, 3600)) if reset_s else BURST


def _problems(text: str) -> tuple[Problem, ...]:
    """`Validation failed: <path>: <sentence>; <path>: <sentence>`."""
    if not text.startswith(_INTRODUCTION):
        return ()
    parts = [part.strip().partition(": ") for part in text.removeprefix(_INTRODUCTION).split(";")]
    return tuple(Problem(_name(path, sentence), sentence or path) for path, _, sentence in parts if path)


def _name(path: str, sentence: str) -> str:
    for where in (sentence, path):
        if found := _HASH.search(where):
            return found[0]
    quoted = _QUOTED.search(sentence) if path == "custom_fields" else None
    return quoted[1] if quoted else path.split(".", maxsplit=1)[0]


def _words(body: dict[str, object] | None) -> str:
    """The error, and what is said besides if it says anything."""
    error = _text(body, "error") or _text(body, "message") or _listed((body or {}).get("errors"))
    info = _text(body, "error_info")
    return f"{error} ({info})" if error and info and _NO_INFORMATION not in info else error


def _listed(errors: object) -> str:
    """`{"subscription_url": ["is not reachable"]}`, as webhooks are refused."""
    told = errors if isinstance(errors, dict) else {}
    sentences = {name: said if isinstance(said, list) else [said] for name, said in told.items()}
    return "; ".join(f"{name} {', '.join(map(str, said))}" for name, said in sentences.items())


def _text(body: dict[str, object] | None, name: str) -> str:
    value = (body or {}).get(name)
    return value.strip() if isinstance(value, str) else ""


def _not_json(answer: Response) -> str:
    if answer.status == 403:
        return "Pipedrive's firewall holds our calls back for a while, because a limit was passed too often."
    return unreadable("Pipedrive", answer)
