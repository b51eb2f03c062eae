"""The mapping table as it is posted: repeated inputs, one of each name per row, blank rows left out."""

from collections.abc import Sequence

from msgspec import Struct

from site2crm.connectors import mapping
from site2crm.connectors.contract import FieldDef
from site2crm.connectors.mapping import OTHER, PERSON, TOUCH, Row, Transform
from site2crm.connectors.suggest import Question
from site2crm.core.errors import Invalid
from site2crm.core.inputs import Fields

CONSTANT = "constant"
BLANK_ROWS = 3
Options = list[tuple[str, list[tuple[str, str]]]]


class EditRow(Struct, frozen=True):
    """`text` is sent when the field is empty; for a fixed text it is the text. `values`: `ours = theirs; ...`"""

    source: str = ""
    property: str = ""
    transform: str = Transform.NONE.value
    text: str = ""
    values: str = ""


def of_rows(rows: Sequence[Row]) -> list[EditRow]:
    return [_edit_row(row) for row in rows]


def of_posted(fields: Fields) -> list[EditRow]:
    columns = [[text.strip() for text in fields.lists.get(name, ())] for name in EditRow.__struct_fields__]
    rows = [EditRow(*values) for values in zip(*columns, strict=False)]
    return [row for row in rows if row.source or row.property]


def to_rows(edited: Sequence[EditRow]) -> list[Row]:
    """Raises Invalid; its places count the rows of `edited`."""
    return mapping.rows_of([_row(row, number) for number, row in enumerate(edited)])


def source_options(questions: Sequence[Question], labels: Sequence[str], rows: Sequence[EditRow]) -> Options:
    """What a row can take, grouped; whatever a row takes already is among it."""
    asked = {question.source: question.label for question in questions}
    compact = {mapping.compact(source) for source in asked}
    asked |= {f"custom.{name}": name for name in labels if mapping.compact(f"custom.{name}") not in compact}
    first = {f"first.{name}": f"{label}, first touch" for name, label in TOUCH.items()}
    groups = {
        "Person": dict(PERSON),
        "Answers": asked,
        "Last touch": dict(TOUCH),
        "First touch": first,
        "Other": {CONSTANT: "A fixed text", **OTHER},
    }
    known = {source for group in groups.values() for source in group}
    groups["Also"] = {
        row.source: mapping.label_of(row.source) for row in rows if row.source and row.source not in known
    }
    return [(name, list(group.items())) for name, group in groups.items() if group]


def property_options(fields: Sequence[FieldDef]) -> list[tuple[str, str]]:
    """Writable properties, by label."""
    writable = [field for field in fields if field.writable]
    return [(each.key, f"{each.label} ({each.type}{', custom' if each.custom else ''})") for each in writable]


def _edit_row(row: Row) -> EditRow:
    is_constant = row.source.startswith(f"{CONSTANT}:")
    return EditRow(
        source=CONSTANT if is_constant else row.source,
        property=row.property,
        transform=row.transform.value,
        text=row.source.partition(":")[2] if is_constant else row.default,
        values="; ".join(f"{ours} = {theirs}" for ours, theirs in row.value_map.items()),
    )


def _row(edited: EditRow, number: int) -> Row:
    pairs = _pairs(edited.values, number)
    transform = Transform.VALUE_MAP if pairs else Transform.NONE
    if not pairs and edited.transform in {change.value for change in Transform} - {Transform.VALUE_MAP.value}:
        transform = Transform(edited.transform)
    if edited.source == CONSTANT:
        return Row(f"{CONSTANT}:{edited.text}", edited.property)
    return Row(edited.source, edited.property, transform, pairs, edited.text)


def _pairs(text: str, number: int) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        ours, sign, theirs = part.partition("=")
        if not sign or not ours.strip() or not theirs.strip():
            text = f"Write {part[:40]!r} as “ours = theirs”, pairs apart by ;"
            raise Invalid.field(f"mapping[{number}].value_map", text)
        pairs[ours.strip()] = theirs.strip()
    return pairs
