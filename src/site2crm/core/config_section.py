"""What a section of the settings is made of."""

from collections.abc import Callable, Iterator
from typing import get_type_hints

import msgspec


class Setting(msgspec.Struct, frozen=True):
    default: object
    read: Callable[[object], object]
    doc: str
    secret: bool = False


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """One table of the file. Durations are seconds, sizes are bytes."""


def settings_of(section: type[Section]) -> Iterator[tuple[str, str, Setting]]:
    """Name in the file, name of the attribute, and the setting, in order."""
    hints = get_type_hints(section, include_extras=True)
    for field in msgspec.structs.fields(section):
        (setting,) = hints[field.name].__metadata__
        yield field.encode_name, field.name, setting
