"""The mapping table as it is posted: repeated inputs, one of each name per row, blank rows left out."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest

import msgspec
from msgspec import Struct

from site2crm.connectors import mapping, sources
from site2crm.connectors.contract import FieldDef
from site2crm.connectors.mapping import MOST_OTHERWISE, Row, Transform
from site2crm.connectors.models import Connection
from site2crm.connectors.sources import CONSTANT, OTHER, PERSON, TEMPLATE, TOUCH
from site2crm.connectors.suggest import Question
from site2crm.core.errors import Invalid
from site2crm.core.inputs import Fields

BLANK_ROWS = 3
Options = list[tuple[str, list[tuple[str, str]]]]
_TEXTS = (CONSTANT, TEMPLATE)
_APART = re.compile(r'[=;"\n]|^\s|\s$')
_IN_QUOTES = r'[^\S\n]*+"((?:[^"]|"")*+)"[^\S\n]*+'
_PAIR = re.compile(rf"(?:{_IN_QUOTES}(?==)|([^=;\n]*+))(?:=(?:{_IN_QUOTES}(?=[;\n]|\Z)|([^;\n]*+)))?(?:[;\n]|\Z)")
"""Quotes are quotes only around the whole of one side: a screen of 5" needs none."""


class EditRow(Struct, frozen=True):
    """`text` is sent when the field is empty; for a fixed text or a template it is the text. `values`: `ours = theirs;
    ...`. `else_1` and on are the further fields."""

    source: str = ""
    property: str = ""
    transform: str = Transform.NONE.value
    text: str = ""
    values: str = ""
    else_1: str = ""
    else_2: str = ""
    else_3: str = ""

    def otherwise(self) -> list[str]:
        return [each for each in (self.else_1, self.else_2, self.else_3) if each]


def mark(connection: Connection) -> str:
    """Another one when somebody has saved anything of the page of the mapping."""
    stored = (connection.mapping, connection.form_mappings, connection.owner_rule, connection.deal_rule)
    return hashlib.sha256(msgspec.json.encode(stored, order="sorted")).hexdigest()[:16]


def of_rows(rows: Sequence[Row]) -> list[EditRow]:
    return [_edit_row(row) for row in rows]


def of_posted(fields: Fields) -> list[EditRow]:
    columns = [[text.strip() for text in fields.lists.get(name, ())] for name in EditRow.__struct_fields__]
    rows = [EditRow(*values) for values in zip_longest(*columns, fillvalue="")]
    return [row for row in rows if row.source or row.property]


def to_rows(edited: Sequence[EditRow], *, place: str = "mapping", may_be_empty: bool = False) -> list[Row]:
    """Raises Invalid; its places count the rows of `edited`."""
    rows = [_row(row, f"{place}[{number}]") for number, row in enumerate(edited)]
    return mapping.rows_of(rows, place=place, may_be_empty=may_be_empty)


def source_options(questions: Sequence[Question], labels: Sequence[str], taken: Iterable[str]) -> Options:
    """What a row can take, grouped; what is taken already is among it."""
    asked = {question.source: question.label for question in questions}
    known_labels = {sources.compact(source) for source in asked}
    asked |= {f"custom.{name}": name for name in labels if sources.compact(f"custom.{name}") not in known_labels}
    first = {f"first.{name}": f"{label}, first touch" for name, label in TOUCH.items()}
    groups = {
        "Person": dict(PERSON),
        "Answers": asked,
        "Last touch": dict(TOUCH),
        "First touch": first,
        "Other": {CONSTANT: "A fixed text", TEMPLATE: "A text with fields in it", **OTHER},
    }
    known = {source for group in groups.values() for source in group}
    groups["Also"] = {source: sources.label_of(source) for source in taken if source and source not in known}
    return [(name, list(group.items())) for name, group in groups.items() if group]


def taken(rows: Sequence[EditRow]) -> list[str]:
    """The sources that the rows take already."""
    return [source for row in rows for source in (row.source, *row.otherwise())]


def property_options(fields: Sequence[FieldDef]) -> list[tuple[str, str]]:
    """Writable properties, by label."""
    writable = [field for field in fields if field.writable]
    return [(each.key, f"{each.label} ({_kind_of(each)})") for each in writable]


def source_parts(source: str, default: str = "") -> tuple[str, str]:
    """What is chosen in the select, and what stands in the text beside it."""
    head, sign, rest = source.partition(":")
    return (head, rest) if sign and head in _TEXTS else (source, default)


def joined(chosen: str, text: str) -> str:
    """The source again."""
    return f"{chosen}:{text}" if chosen in _TEXTS else chosen


def pairs_text(pairs: dict[str, str]) -> str:
    """What holds a sign that keeps them apart stands in quotes."""
    return "; ".join(f"{_quoted(ours)} = {_quoted(theirs)}" for ours, theirs in pairs.items())


def pairs_of(text: str, place: str) -> dict[str, str]:
    """Raises Invalid naming the place."""
    pairs: dict[str, str] = {}
    for pair in _PAIR.finditer(text):
        said = pair[0].rstrip(";\n").strip()
        ours, theirs = _side(pair[1], pair[2]), _side(pair[3], pair[4])
        if said and not (ours and theirs):
            raise Invalid.field(place, f"Write {said[:40]!r} as “ours = theirs”, pairs apart by ;")
        if pairs.get(ours, theirs) != theirs:
            raise Invalid.field(place, f"{ours[:40]!r} stands here twice, with different values: keep one of them.")
        pairs |= {ours: theirs} if said else {}
    return pairs


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _APART.search(text) else text


def _side(in_quotes: str | None, plain: str | None) -> str:
    """Empty: there is none, or its quotes do not end."""
    if in_quotes is not None:
        return in_quotes.replace('""', '"')
    text = (plain or "").strip()
    return "" if text.startswith('"') else text


def _kind_of(field: FieldDef) -> str:
    return ", ".join([field.type, *(["custom"] if field.custom else []), *(["required"] if field.required else [])])


def _edit_row(row: Row) -> EditRow:
    source, text = source_parts(row.source, row.default)
    further = [*row.otherwise, "", "", ""][:MOST_OTHERWISE]
    return EditRow(source, row.property, row.transform.value, text, pairs_text(row.value_map), *further)


def _row(edited: EditRow, place: str) -> Row:
    pairs = pairs_of(edited.values, f"{place}.value_map")
    transform = Transform.VALUE_MAP if pairs else Transform.NONE
    if not pairs and edited.transform in {change.value for change in Transform} - {Transform.VALUE_MAP.value}:
        transform = Transform(edited.transform)
    is_text = edited.source in _TEXTS
    default, source = ("", joined(edited.source, edited.text)) if is_text else (edited.text, edited.source)
    return Row(source, edited.property, transform, pairs, default, edited.otherwise())
