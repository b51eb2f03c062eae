"""The mapping that a new connection begins with: the kind's usual one, and what is called alike on both sides. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from site2crm.connectors.contract import FieldDef
from site2crm.connectors.kinds import ConnectorKind
from site2crm.connectors.mapping import Row
from site2crm.connectors.sources import TOUCH, compact


class Question(Struct, frozen=True):
    """A field of one of the org's forms that is no usual one: `source` is `custom.<name>` or `consent.<name>`."""

    source: str
    name: str
    label: str


def suggest(kind: ConnectorKind, fields: Sequence[FieldDef], questions: Sequence[Question]) -> list[Row]:
    """Only properties that exist and can be written, each once."""
    writable = {field.key: field for field in fields if field.writable}
    free = kind.caps.custom_key or not fields
    rows = [Row(ours, theirs) for ours, theirs in kind.default_mapping.items() if free or theirs in writable]
    taken = {row.property for row in rows}
    for source, names in [*((q.source, (q.name, q.label)) for q in questions), *((t, (t,)) for t in TOUCH)]:
        target = _match(names, writable, taken)
        if target is None and kind.caps.custom_key and source not in TOUCH and names[0] not in taken:
            target = names[0]
        if target is not None and all(row.source != source for row in rows):
            rows.append(Row(source, target))
            taken.add(target)
    return rows


def _match(names: Sequence[str], writable: dict[str, FieldDef], taken: set[str]) -> str | None:
    wanted = {compact(name) for name in names} - {""}
    for key, field in writable.items():
        if key not in taken and wanted & {compact(key), compact(field.label)}:
            return key
    return None
