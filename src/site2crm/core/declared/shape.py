"""The values of an entry as a Struct, with every fault at the key that it is about."""

import re
from collections.abc import Mapping
from typing import TypeVar, get_type_hints

import msgspec
from msgspec import Struct

from site2crm.core.errors import FieldError, Invalid

S = TypeVar("S", bound=Struct)

_AT = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")


def shaped(kind: type[S], values: Mapping[str, object]) -> S:
    """`kind` may have fewer fields than there are values. Raises Invalid naming each one that does not fit."""
    hints = get_type_hints(kind, include_extras=True)
    faults: list[FieldError] = []
    fitting: dict[str, object] = {}
    for field in msgspec.structs.fields(kind):
        if field.name not in values:
            if field.required:
                faults.append(FieldError(field.name, "is needed"))
            continue
        try:
            fitting[field.name] = msgspec.convert(values[field.name], hints[field.name])
        except msgspec.ValidationError as error:
            faults.append(_fault(field.name, str(error)))
    if faults:
        raise Invalid(faults[0].message, errors=faults)
    return kind(**fitting)


def _fault(name: str, told: str) -> FieldError:
    found = _AT.search(told)
    inner = re.sub(r"\[\.\.\.\]", "", found["path"]) if found else ""
    place = name + (inner if inner.startswith("[") else f".{inner}" if inner else "")
    return FieldError(place, _AT.sub("", told))
