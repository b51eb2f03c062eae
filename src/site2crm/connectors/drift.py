"""What a mapping has and the CRM has no longer, found before a lead fails of it. Pure."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct

from site2crm.connectors import dealing, mapping, owners
from site2crm.connectors.coercion import fit
from site2crm.connectors.contract import FieldDef
from site2crm.connectors.dealing import DealRule
from site2crm.connectors.mapping import Row
from site2crm.connectors.models import Connection
from site2crm.connectors.registry import KINDS
from site2crm.connectors.sales import Directory
from site2crm.connectors.sources import CONSTANT, compact
from site2crm.connectors.words import label

MOST = 50


class Drift(Struct, frozen=True):
    """`place`: mapping, required, owner or deal; `name`: the property, or the id of what is gone; `form`: whose rows,
    "" for those of the connection."""

    place: str
    name: str
    text: str
    cure: str
    form: str = ""


def stored(found: Sequence[Mapping[str, object]]) -> list[Drift]:
    return msgspec.convert(found, list[Drift])


def found(connection: Connection, *, before: Sequence[FieldDef] = ()) -> list[Drift]:
    """In what is stored now. `before`: the properties as they were, which tell what was renamed."""
    kind = KINDS[connection.kind]
    seen = [*_in_rows(connection, before)] if connection.fields and not kind.caps.custom_key else []
    if kind.sales is not None:
        directory = owners.directory_of(connection.directory)
        seen += _owners_gone(connection, directory)
        rule = dealing.stored(connection.deal_rule)
        seen += _deal_gone(rule, directory, label(connection.kind)) if rule.enabled and kind.caps.add_deals else []
    return seen[:MOST]


def kept(now: Sequence[Drift], before: Sequence[Drift]) -> list[Drift]:
    """What was known already keeps its words: only once can be seen what a property is called now."""
    known = {(each.place, each.name, each.form, each.text): each for each in before}
    return [known.get((each.place, each.name, each.form, each.text), each) for each in now]


def _in_rows(connection: Connection, before: Sequence[FieldDef]) -> Iterator[Drift]:
    fields = {field.key: field for field in msgspec.convert(connection.fields, list[FieldDef])}
    rows = mapping.stored(connection.mapping)
    crm = label(connection.kind)
    for form, some in [("", rows), *((id, mapping.stored(own)) for id, own in connection.form_mappings.items())]:
        for row in some:
            yield from _in_row(row, fields, before, crm=crm, form=form)
    filled = {row.property for row in rows}
    for field in fields.values():
        if field.required and field.writable and field.key not in filled:
            text = f"{crm} requires {field.label} ({field.key}), and nothing fills it."
            yield Drift("required", field.key, text, "Map a field to it, or a fixed text.")


def _in_row(
    row: Row, fields: Mapping[str, FieldDef], before: Sequence[FieldDef], *, crm: str, form: str
) -> Iterator[Drift]:
    field = fields.get(row.property)
    if field is None:
        text = f"{crm} has no property {row.property}: leads arrive without it."
        yield Drift("mapping", row.property, text, _where_to(row.property, fields, before), form)
    elif not field.writable:
        text = f"{field.label} ({row.property}) can only be read: leads arrive without it."
        yield Drift("mapping", row.property, text, "Map the field to another property, or remove the row.", form)
    else:
        for value in _fixed(row):
            _, problem = fit(value, field)
            if problem:
                text = f"{field.label} ({row.property}): {problem}"
                yield Drift("mapping", row.property, text, "Choose one that the CRM has, in the mapping.", form)


def _fixed(row: Row) -> list[str]:
    """The values that stand in the mapping itself."""
    head, _, text = row.source.partition(":")
    return [value for value in ([text] if head == CONSTANT else []) + [row.default, *row.value_map.values()] if value]


def _where_to(gone: str, fields: Mapping[str, FieldDef], before: Sequence[FieldDef]) -> str:
    was = next((field for field in before if field.key == gone), None)
    old = {field.key for field in before}
    names = {compact(gone), *([compact(was.label)] if was else [])}
    for field in fields.values():
        if field.writable and field.key not in old and names & {compact(field.key), compact(field.label)}:
            return f"It seems to be {field.key} now: choose that in the mapping."
    return "Choose another property in the mapping, or make it again in the CRM."


def _owners_gone(connection: Connection, directory: Directory) -> list[Drift]:
    if not directory.owners:
        return []
    active = {owner.id for owner in directory.owners if owner.active}
    rule, crm = owners.stored(connection.owner_rule), label(connection.kind)
    return [
        Drift(
            "owner",
            id,
            f"{owners.name_of(id, directory)} is no longer an active owner at {crm}.",
            "Choose another owner on the page of the mapping.",
        )
        for id in dict.fromkeys(owners.named(rule))
        if id not in active
    ]


def _deal_gone(rule: DealRule, directory: Directory, crm: str) -> list[Drift]:
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
