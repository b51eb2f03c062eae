"""The form editor's posted rows into fields, and a form into what the editor shows."""

from collections.abc import Sequence
from itertools import chain, count, zip_longest

import msgspec
from msgspec import Struct

from site2crm.core.errors import FieldError, Invalid
from site2crm.core.inputs import Fields
from site2crm.forms.fields import Field, FieldType
from site2crm.forms.models import Form
from site2crm.forms.service import FormPatch
from site2crm.kit.text import fold

COLUMNS = ("field_name", "field_type", "field_label", "field_required", "field_more")

_PERSON = frozenset(
    [
        FieldType.EMAIL,
        FieldType.NAME,
        FieldType.FIRST_NAME,
        FieldType.LAST_NAME,
        FieldType.PHONE,
        FieldType.COMPANY,
        FieldType.MESSAGE,
    ]
)
"""Types whose own name is what browsers, CRMs and people who write the HTML by hand call such a field."""

TYPE_LABELS = [
    (FieldType.EMAIL, "E-mail"),
    (FieldType.NAME, "Full name"),
    (FieldType.FIRST_NAME, "First name"),
    (FieldType.LAST_NAME, "Last name"),
    (FieldType.PHONE, "Phone"),
    (FieldType.COMPANY, "Company"),
    (FieldType.TEXT, "Short text"),
    (FieldType.MESSAGE, "Message"),
    (FieldType.CHOICE, "Choice"),
    (FieldType.CONSENT, "Consent"),
    (FieldType.HIDDEN, "Hidden"),
]


class Row(Struct, frozen=True):
    """One line of the editor. `more`: a choice's options, what is consented to, a hidden value, a placeholder."""

    name: str = ""
    type: str = "text"
    label: str = ""
    required: str = ""
    more: str = ""


class Edited(Struct, frozen=True):
    """What the editor shows, from a form or from what was posted."""

    name: str
    rows: list[Row]
    origins: str
    redirect_url: str
    thanks_text: str
    submit_label: str
    country: str
    field_map: str


def of_form(form: Form) -> Edited:
    fields = msgspec.convert(form.fields, list[Field])
    return Edited(
        name=form.name,
        rows=[_row(field) for field in fields],
        origins="\n".join(form.allowed_origins),
        redirect_url=form.redirect_url,
        thanks_text=form.thanks_text,
        submit_label=form.submit_label,
        country=form.country,
        field_map="\n".join(f"{source} = {target}" for source, target in form.field_map.items()),
    )


def of_posted(fields: Fields) -> Edited:
    columns = [fields.lists.get(column, ()) for column in COLUMNS]
    return Edited(
        name=fields.get("name", ""),
        rows=[Row(*values) for values in zip_longest(*columns, fillvalue="")],
        origins=fields.get("origins", ""),
        redirect_url=fields.get("redirect_url", ""),
        thanks_text=fields.get("thanks_text", ""),
        submit_label=fields.get("submit_label", ""),
        country=fields.get("country", ""),
        field_map=fields.get("field_map", ""),
    )


def to_patch(edited: Edited) -> FormPatch:
    """Raises Invalid for a row or a line that cannot be read; `service` checks the rest."""
    rows = [row for row in edited.rows if row.name.strip() or row.label.strip()]
    values = {
        "name": edited.name.strip(),
        "fields": [_field(row, name) for row, name in zip(rows, _names(rows), strict=True)],
        "allowed_origins": [line.strip() for line in edited.origins.splitlines() if line.strip()],
        "redirect_url": edited.redirect_url,
        "thanks_text": edited.thanks_text,
        "submit_label": edited.submit_label,
        "field_map": _map(edited.field_map),
        "country": edited.country,
    }
    try:
        return msgspec.convert(values, FormPatch)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$.")
        raise Invalid.field(path.rstrip("`") or "name", f"{text}.") from error


def _row(field: Field) -> Row:
    more = "\n".join(field.choices) if field.type is FieldType.CHOICE else field.text or field.placeholder
    return Row(field.name, field.type.value, field.label, "1" if field.required else "", more)


def _field(row: Row, name: str) -> dict[str, object]:
    made: dict[str, object] = {
        "name": name,
        "type": row.type,
        "label": row.label.strip(),
        "required": bool(row.required),
    }
    more = row.more.strip()
    if row.type == FieldType.CHOICE:
        made["choices"] = [line.strip() for line in more.splitlines() if line.strip()]
    elif row.type in {FieldType.CONSENT, FieldType.HIDDEN}:
        made["text"] = more
    else:
        made["placeholder"] = more
    return made


def _names(rows: Sequence[Row]) -> list[str]:
    """Who leaves a name empty gets one: the first e-mail is `email`, whatever its label; no two are alike."""
    names = [row.name.strip() for row in rows]
    for number, row in enumerate(rows):
        if not names[number] and row.type in _PERSON and row.type not in names:
            names[number] = row.type
    for number, row in enumerate(rows):
        names[number] = names[number] or _free(_name_of(row.label), names)
    return names


def _free(name: str, taken: Sequence[str]) -> str:
    numbered = (f"{name[:46]}_{number}" for number in count(2))
    return next(each for each in chain([name], numbered) if each not in taken)


def _name_of(label: str) -> str:
    """`Your budget?` -> `your_budget`."""
    words = "".join(sign if sign.isascii() and sign.isalnum() else " " for sign in fold(label)).split()
    name = "_".join(words)[:50] or "field"
    return name if name[0].isalpha() else f"f_{name}"[:50]


def _map(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(line for line in text.splitlines() if line.strip()):
        source, equals, target = line.rpartition("=")
        if not equals:
            raise Invalid(
                "Each line needs an equals sign.",
                errors=[FieldError("field_map", f"Line {number + 1}: write it like  5 = company")],
            )
        found[source.strip()] = target.strip()
    return found
