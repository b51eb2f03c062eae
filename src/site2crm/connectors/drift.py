"""What does not fit between a mapping and what the CRM has now, found before a lead fails of it. Pure.

The one judgement of it: of what is stored, of a draft on the mapping page, of an entry of the configuration file.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from site2crm.connectors import dealing, fitting, mapping, owners
from site2crm.connectors.contract import FieldDef
from site2crm.connectors.dealing import DealRule
from site2crm.connectors.kinds import ConnectorKind
from site2crm.connectors.mapping import Row
from site2crm.connectors.models import Connection
from site2crm.connectors.owners import OwnerRule
from site2crm.connectors.registry import KINDS
from site2crm.connectors.sales import Directory
from site2crm.connectors.sources import compact
from site2crm.connectors.words import label

MOST = 50
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Drift(Struct, frozen=True):
    """`place`: mapping (the property), value (what is sent there), required, owner or deal; `name`: the property, or
    the id of what is gone; `form`: whose rows, "" for those of the connection; `source`: our field, of a row.

    `refused`: the CRM takes no lead like this, where else it only arrives without something.
    """

    place: str
    name: str
    text: str
    cure: str
    form: str = ""
    source: str = ""
    refused: bool = False


class _Mapped(NamedTuple):
    """What is judged. `own`: form id -> its rows."""

    kind: ConnectorKind
    settings: Mapping[str, str]
    fields: Mapping[str, FieldDef]
    directory: Directory
    rows: Sequence[Row]
    own: Mapping[str, Sequence[Row]]
    form_ids: Sequence[str]
    owner: OwnerRule
    deal: DealRule

    def ways(self) -> list[Sequence[Row]]:
        """The rows by which a lead may go there, whichever form it comes by."""
        of_forms = [mapping.merged(self.rows, own) for id, own in self.own.items() if id in self.form_ids or self.rest]
        return [*([self.rows] if self.rest else []), *of_forms]

    @property
    def rest(self) -> bool:
        """Whether leads come by a form without rows of its own."""
        return not self.form_ids or any(id not in self.own for id in self.form_ids)


def stored(found: Sequence[Mapping[str, object]]) -> list[Drift]:
    return msgspec.convert(found, list[Drift])


def found(
    connection: Connection, *, before: Sequence[FieldDef] = (), changed: Mapping[str, Any] = _NOTHING
) -> list[Drift]:
    """In what is stored, or would be with these columns `changed`. `before`: the properties as they were, which tell
    what was renamed."""
    mapped = _mapped(connection, changed)
    caps, crm = mapped.kind.caps, label(connection.kind)
    seen = [*_in_rows(mapped, before, crm), *_required(mapped, crm)] if mapped.fields and not caps.custom_key else []
    if mapped.kind.sales is not None:
        seen += _owners_gone(mapped, crm)
        seen += [*_deals_barred(mapped), *_deal_gone(mapped, crm)] if mapped.deal.enabled and caps.add_deals else []
    return seen[:MOST]


def of_rows(connection: Connection, rows: Sequence[Row]) -> list[Drift]:
    """In these rows alone."""
    mapped = _mapped(connection, {"mapping": msgspec.to_builtins(rows), "form_mappings": {}})
    if not mapped.fields or mapped.kind.caps.custom_key:
        return []
    return list(_in_rows(mapped, (), label(connection.kind)))


def kept(now: Sequence[Drift], before: Sequence[Drift]) -> list[Drift]:
    """What was known already keeps its cure: only once can be seen what a property is called now."""
    known = {(each.place, each.name, each.form, each.text): each.cure for each in before}
    return [
        msgspec.structs.replace(each, cure=known.get((each.place, each.name, each.form, each.text), each.cure))
        for each in now
    ]


def _mapped(connection: Connection, changed: Mapping[str, Any]) -> _Mapped:
    def column(name: str) -> Any:
        return changed[name] if name in changed else getattr(connection, name)

    return _Mapped(
        kind=KINDS[connection.kind],
        settings=column("settings") or {},
        fields={field.key: field for field in msgspec.convert(column("fields"), list[FieldDef])},
        directory=owners.directory_of(column("directory") or {}),
        rows=mapping.stored(column("mapping")),
        own={id: mapping.stored(rows) for id, rows in (column("form_mappings") or {}).items()},
        form_ids=column("form_ids") or [],
        owner=owners.stored(column("owner_rule") or {}),
        deal=dealing.stored(column("deal_rule") or {}),
    )


def _in_rows(mapped: _Mapped, before: Sequence[FieldDef], crm: str) -> Iterator[Drift]:
    for form, some in [("", mapped.rows), *mapped.own.items()]:
        for row in some:
            yield from _in_row(row, mapped.fields, before, crm=crm, form=form)


def _in_row(
    row: Row, fields: Mapping[str, FieldDef], before: Sequence[FieldDef], *, crm: str, form: str
) -> Iterator[Drift]:
    field = fields.get(row.property)
    if field is None:
        text = f"{crm} has no property {row.property}: leads arrive without it."
        yield Drift("mapping", row.property, text, _where_to(row.property, fields, before), form, row.source)
    elif not field.writable:
        text = f"{field.label} ({row.property}) can only be read: leads arrive without it."
        cure = "Map the field to another property, or remove the row."
        yield Drift("mapping", row.property, text, cure, form, row.source)
    else:
        for fault in fitting.faults(row, field):
            text = f"{field.label} ({row.property}): {fault.text}"
            yield Drift("value", row.property, text, fault.cure, form, row.source, refused=True)


def _required(mapped: _Mapped, crm: str) -> Iterator[Drift]:
    filled = [{row.property for row in rows} for rows in mapped.ways()]
    for field in mapped.fields.values():
        if not field.required or not field.writable or all(field.key in some for some in filled):
            continue
        text = f"{crm} requires {field.label} ({field.key}), and nothing fills it"
        if field.key in mapped.kind.fills:
            text, refused = f"{text}: who has none gets a stand-in.", False
        else:
            text, refused = f"{text}.", True
        yield Drift("required", field.key, text, "Map a field to it, or a fixed text.", refused=refused)


def _where_to(gone: str, fields: Mapping[str, FieldDef], before: Sequence[FieldDef]) -> str:
    was = next((field for field in before if field.key == gone), None)
    old = {field.key for field in before}
    names = {compact(gone), *([compact(was.label)] if was else [])}
    for field in fields.values():
        if field.writable and field.key not in old and names & {compact(field.key), compact(field.label)}:
            return f"It seems to be {field.key} now: choose that in the mapping."
    return "Choose another property in the mapping, or make it again in the CRM."


def _owners_gone(mapped: _Mapped, crm: str) -> list[Drift]:
    if not mapped.directory.owners:
        return []
    active = {owner.id for owner in mapped.directory.owners if owner.active}
    return [
        Drift(
            "owner",
            id,
            f"{owners.name_of(id, mapped.directory)} is no longer an active owner at {crm}.",
            "Choose another owner on the page of the mapping.",
        )
        for id in dict.fromkeys(owners.named(mapped.owner))
        if id not in active
    ]


def _deals_barred(mapped: _Mapped) -> Iterator[Drift]:
    if mapped.kind.bars_deals and (text := mapped.kind.bars_deals(mapped.settings)):
        cure = "Change that under Access, or switch the deal off on the page of the mapping."
        yield Drift("deal", "", text, cure, refused=True)


def _deal_gone(mapped: _Mapped, crm: str) -> list[Drift]:
    rule, directory = mapped.deal, mapped.directory
    if not directory.pipelines:
        return []
    cure = "Choose another stage on the page of the mapping."
    pipeline = next((each for each in directory.pipelines if each.id == rule.pipeline), None)
    if rule.pipeline and pipeline is None:
        return [Drift("deal", rule.pipeline, f"The pipeline {rule.pipeline} is gone from {crm}.", cure)]
    stages = {stage.id for each in directory.pipelines if pipeline in (None, each) for stage in each.stages}
    if rule.stage and rule.stage not in stages:
        return [Drift("deal", rule.stage, f"The stage {rule.stage} is gone from {crm}.", cure)]
    return []
