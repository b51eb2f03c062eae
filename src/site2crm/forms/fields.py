"""A form's fields as its owner defines them."""

import re
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from site2crm.core.errors import FieldError, Invalid

MOST_FIELDS = 60
MOST_CHOICES = 100
_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")

Line = Annotated[str, Meta(max_length=200)]
Text = Annotated[str, Meta(max_length=2000)]


class FieldType(StrEnum):
    EMAIL = "email"
    PHONE = "phone"
    NAME = "name"
    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    COMPANY = "company"
    TEXT = "text"
    MESSAGE = "message"
    CHOICE = "choice"
    CONSENT = "consent"
    HIDDEN = "hidden"

    @property
    def input_type(self) -> str:
        """The `type` of the HTML input, which chooses a phone's keyboard."""
        return {FieldType.EMAIL: "email", FieldType.PHONE: "tel"}.get(self, "text")

    @property
    def autocomplete(self) -> str:
        """What the browser may fill in by itself."""
        return _AUTOCOMPLETE.get(self, "off")


_AUTOCOMPLETE = {
    FieldType.EMAIL: "email",
    FieldType.PHONE: "tel",
    FieldType.NAME: "name",
    FieldType.FIRST_NAME: "given-name",
    FieldType.LAST_NAME: "family-name",
    FieldType.COMPANY: "organization",
}


class Field(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One question. `name` is the key that is posted; `label` is what the visitor reads."""

    name: Line
    type: FieldType
    label: Line = ""
    required: bool = False
    placeholder: Line = ""
    choices: list[Line] = []
    text: Text = ""
    """What the visitor agrees to (consent), or the fixed value (hidden)."""


def checked(fields: list[Field]) -> list[Field]:
    """The fields, if they make a form. Raises Invalid naming each one that does not."""
    refused: list[FieldError] = []
    if not fields:
        refused.append(FieldError("fields", "A form needs at least one field."))
    if len(fields) > MOST_FIELDS:
        refused.append(FieldError("fields", f"At most {MOST_FIELDS} fields."))
    seen: set[str] = set()
    for number, field in enumerate(fields):
        for key, message in _faults(field, seen):
            refused.append(FieldError(f"fields[{number}].{key}", message))
        seen.add(field.name)
    if refused:
        raise Invalid(refused[0].message, errors=refused)
    return fields


def _faults(field: Field, seen: set[str]) -> list[tuple[str, str]]:
    faults: list[tuple[str, str]] = []
    if not _NAME.fullmatch(field.name):
        faults.append(("name", "Small letters, digits and _ only, beginning with a letter, at most 50."))
    if field.name in seen:
        faults.append(("name", f"There are two fields named {field.name}."))
    if field.type is FieldType.CHOICE and not field.choices:
        faults.append(("choices", "A choice needs at least one option."))
    if len(field.choices) > MOST_CHOICES:
        faults.append(("choices", f"At most {MOST_CHOICES} options."))
    if field.type is FieldType.CONSENT and not field.text:
        faults.append(("text", "Say what the visitor agrees to."))
    return faults


STARTER = [
    Field(name="name", type=FieldType.NAME, label="Name", required=True),
    Field(name="email", type=FieldType.EMAIL, label="E-mail", required=True),
    Field(name="phone", type=FieldType.PHONE, label="Phone"),
    Field(name="company", type=FieldType.COMPANY, label="Company"),
    Field(name="message", type=FieldType.MESSAGE, label="How can we help?"),
]
"""What a new form begins with."""
