"""Fields of an HTML form into a Struct, with every refused field at once (msgspec alone tells only the first)."""

import types
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from litestar.datastructures import FormMultiDict
from msgspec import Struct

from site2crm.core.errors import FieldError, Invalid

LONGEST_NUMBER = 9
"""Digits; Python reads no number of more than 4,300."""
MOST_OF_A_NAME = 10_000
"""Values of one field: PostgreSQL takes 32,767 in a statement."""

S = TypeVar("S", bound=Struct)


class Fields(dict[str, str]):
    """The posted text of a form, for showing it again beside its errors; lists are kept in `lists`."""

    lists: Mapping[str, Sequence[str]]


def read(posted: FormMultiDict) -> Fields:
    """What was posted, files left out, null bytes removed. Raises Invalid for a field that was posted endlessly."""
    fields = Fields()
    lists: dict[str, list[str]] = {}
    for name, value in posted.multi_items():
        if isinstance(value, str):
            clean = value.replace("\x00", "")
            fields[name] = clean
            lists.setdefault(name, []).append(clean)
    for name, values in lists.items():
        if len(values) > MOST_OF_A_NAME:
            raise Invalid.field(name[:60], f"At most {MOST_OF_A_NAME:,} at once.")
    fields.lists = lists
    return fields


def parse(kind: type[S], fields: Fields) -> S:
    """A Struct of what was posted: text trimmed, "" for an optional field is None, a checkbox is there or not.

    Raises Invalid with an error for every field that does not fit.
    """
    hints = get_type_hints(kind, include_extras=True)
    values: dict[str, Any] = {}
    refused: list[FieldError] = []
    for info in msgspec.structs.fields(kind):
        hint = hints[info.name]
        raw = _raw(fields, info.encode_name, hint)
        if raw is None and not info.required:
            continue
        try:
            values[info.encode_name] = msgspec.convert(raw, hint, strict=False)
        except msgspec.ValidationError as error:
            refused.append(FieldError(info.encode_name, _in_words(raw, str(error))))
    if refused:
        raise Invalid(refused[0].message, errors=refused)
    return msgspec.convert(values, kind, strict=False)


def aware(field: str, moment: datetime | None) -> datetime | None:
    """Raises Invalid for one without its offset: nobody knows whose clock it is of."""
    if moment is not None and moment.tzinfo is None:
        raise Invalid.field(field, "A moment with its offset, such as 2026-11-21T10:00:00+00:00.")
    return moment


def _raw(fields: Fields, name: str, hint: Any) -> Any:
    if _wants(hint, bool):
        return name in fields and fields[name] not in {"", "0", "false", "off"}
    if _wants(hint, list):
        return [item.strip() for item in fields.lists.get(name, ()) if item.strip()]
    text = fields.get(name, "").strip()
    if text:
        return text
    return None if _wants(hint, type(None)) or not _wants(hint, str) else ""


def _wants(hint: Any, kind: type) -> bool:
    if hasattr(hint, "__metadata__"):
        return _wants(hint.__origin__, kind)
    if get_origin(hint) in {Union, types.UnionType}:
        return any(_wants(part, kind) for part in get_args(hint))
    return (get_origin(hint) or hint) is kind


def _in_words(raw: Any, error: str) -> str:
    if raw in (None, ""):
        return "This is needed."
    if "length <=" in error:
        return f"At most {error.rsplit('length <= ', 1)[1].split(maxsplit=1)[0]} characters."
    if "length >=" in error:
        return "This is needed."
    if "Invalid enum value" in error:
        return "Choose one of the options."
    if "matching regex" in error:
        return "This does not have the right form."
    return error.split(" - at", maxsplit=1)[0] + "."
