"""Reads Nutshell's answers, which come in three shapes when they are refusals, one of them no JSON (contract, 10)."""

import re
from collections.abc import Mapping
from datetime import timedelta

from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.wire import counted, decoded, retry_after, unreadable
from site2crm.core.http import Response

Record = dict[str, object]
_CLASSES = {
    401: ErrorClass.REAUTH,
    402: ErrorClass.CONFIG,
    403: ErrorClass.CONFIG,
    404: ErrorClass.NOT_FOUND,
    408: ErrorClass.RETRY,
    409: ErrorClass.CONFLICT,
    425: ErrorClass.RETRY,
    429: ErrorClass.THROTTLE,
    503: ErrorClass.THROTTLE,
}
_ALSO_AS_A_PAGE = {401, 403, 404, 429, 503}
"""What these say does not hang on who words it; any other page comes from something in between."""
_UNWRITABLE = re.compile(
    r"no (custom )?field|unknown (custom )?field|does not exist|not a valid field|read[- ]only", re.IGNORECASE
)
_NO_ACCESS = "The API key lacks the permission “API access”."


class NutshellError(CrmError):
    """A refusal; `status` 0 for what was refused inside a 2xx."""

    status = 0

    @property
    def unwritable(self) -> bool:
        """The named field is unknown or read-only: the record can be delivered without it."""
        return bool(_UNWRITABLE.search(self.text))


def read(answer: Response) -> Record | list[object]:
    """What an answer holds; nothing for a 204. Raises NutshellError."""
    body = decoded(answer.content)
    if not 200 <= answer.status < 300:
        raise _refusal(answer, body)
    if answer.status == 204 or not answer.content:
        return {}
    if not isinstance(body, dict | list):
        raise NutshellError(ErrorClass.RETRY, unreadable("Nutshell", answer), code="not_json")
    if isinstance(body, dict) and (error := _first_error(body)):
        raise _inside(error)
    return body


def listed(body: Record | list[object], table: str) -> list[Record]:
    """The records of a list: bare, in an envelope, or one alone (contract, 5 and 6)."""
    if isinstance(body, dict):
        inside = body.get(table)
        body = inside if isinstance(inside, list) else [inside] if isinstance(inside, dict) else [body]
    return [item for item in body if isinstance(item, dict) and "id" in item]


def one(body: Record | list[object], table: str) -> Record:
    """The one record of an answer. Raises NutshellError(RETRY) where there is none."""
    found = listed(body, table)
    if not found or not isinstance(found[0].get("id"), str) or not found[0]["id"]:
        raise NutshellError(ErrorClass.RETRY, "Nutshell answered without the record's id.", code="not_json")
    return found[0]


def meta(body: Record | list[object]) -> Mapping[str, object]:
    told = body.get("meta") if isinstance(body, dict) else None
    return told if isinstance(told, dict) else {}


def _refusal(answer: Response, body: object) -> NutshellError:
    said = _first_error(body) if isinstance(body, dict) else None
    text = _words(said or body) or _plain(answer)
    error = NutshellError(
        _class_of(answer.status, is_page=_is_page(answer)),
        f"{_NO_ACCESS} Nutshell says: {text}" if answer.status == 403 else text,
        code=_code(said, answer.status),
        field=_field(said),
        retry_after=_asked(answer),
    )
    error.status = answer.status
    return error


def _class_of(status: int, *, is_page: bool) -> ErrorClass:
    if status < 400:
        return ErrorClass.CONFIG  # a redirect: this is not the API's address
    if is_page and status not in _ALSO_AS_A_PAGE:
        return ErrorClass.RETRY
    if status in _CLASSES:
        return _CLASSES[status]
    return ErrorClass.RETRY if status >= 500 else ErrorClass.PERMANENT


def _asked(answer: Response) -> timedelta | None:
    return retry_after(answer.headers) if answer.status in (429, 503) else None


def _first_error(body: Record) -> Record | None:
    errors = body.get("errors")
    return errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else None


def _inside(said: Record) -> NutshellError:
    """An error in a 2xx; its own status says which class it is of."""
    status = counted(str(said.get("status", ""))) or 0
    kind = _class_of(status, is_page=False) if status >= 400 else ErrorClass.PERMANENT
    text = _words(said) or "Nutshell answered with an error."
    error = NutshellError(kind, text, code=_code(said, 0), field=_field(said))
    error.status = status
    return error


def _words(said: object) -> str:
    if isinstance(said, str):
        return said
    if not isinstance(said, dict):
        return ""
    return str(said.get("detail") or said.get("title") or said.get("message") or "")


def _code(said: Record | None, status: int) -> str:
    code = said.get("code") if said else None
    return str(code or (said.get("status") if said else None) or status)


def _field(said: Record | None) -> str | None:
    field = said.get("field") if said else None
    return field if isinstance(field, str) and field else None


def _plain(answer: Response) -> str:
    """Words that are no JSON, if they are words."""
    text = " ".join(answer.content[:600].decode("utf-8", "replace").split())
    return text[:300] if text and not _is_page(answer) else unreadable("Nutshell", answer)


def _is_page(answer: Response) -> bool:
    return answer.content.lstrip()[:1] == b"<"
