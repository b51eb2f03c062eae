"""A connection as the text that would declare it: to be pasted into the configuration file, which takes it over."""

from collections.abc import Mapping, Sequence

import msgspec

from site2crm.connectors import mapping
from site2crm.connectors.kinds import ConnectorKind, Way
from site2crm.connectors.mapping import Row
from site2crm.connectors.models import Connection
from site2crm.connectors.states import State
from site2crm.core.config_text import key, key_of, literal


def as_toml(connection: Connection, kind: ConnectorKind) -> str:
    """Below the `[[orgs]]` of its org, with all that it goes by. With its id, so that no second one is made; secrets
    are left to be filled in."""
    own = key_of(connection.name)
    lines: list[tuple[str, object]] = [
        ("key", own),
        ("id", connection.id),
        ("kind", connection.kind),
        *([("way", connection.way)] if connection.way == Way.OAUTH else []),
        ("name", connection.name),
        *_settings(connection, kind, own),
    ]
    if connection.form_ids:
        lines.append(("forms", list(connection.form_ids)))
    if connection.state == State.PAUSED:
        lines.append(("paused", True))
    tables = {"fields": _rows(connection.mapping), "owner": connection.owner_rule, "deal": connection.deal_rule}
    tables |= {f"form_fields.{form_id}": _rows(rows) for form_id, rows in connection.form_mappings.items()}
    below = [
        line for name, told in tables.items() if told for line in (f"[orgs.crm.{name}]", *_pairs(list(told.items())))
    ]
    return "\n".join(["[[orgs.crm]]", *_pairs(lines), *below, ""])


def _rows(stored: Sequence[Mapping[str, object]]) -> dict[str, object]:
    targets: dict[str, list[object]] = {}
    for row in mapping.stored(stored):
        targets.setdefault(row.source, []).append(_target(row))
    return {source: several if len(several) > 1 else several[0] for source, several in targets.items()}


def _settings(connection: Connection, kind: ConnectorKind, own: str) -> list[tuple[str, object]]:
    told: list[tuple[str, object]] = []
    for field in kind.fields_of(Way(connection.way)):
        if field.kind == "secret":
            if field.name in connection.secret_hints:
                told.append((field.name, {"env": f"{own}_{field.name}".upper().replace("-", "_")}))
        elif field.name in connection.settings:
            told.append((field.name, connection.settings[field.name]))
    return told


def _target(row: Row) -> object:
    rest: Mapping[str, object] = {n: v for n, v in msgspec.to_builtins(row).items() if n != "source"}
    return row.property if rest.keys() == {"property"} else rest


def _pairs(lines: Sequence[tuple[str, object]]) -> list[str]:
    return [f"{key(name)} = {literal(value)}" for name, value in lines]
