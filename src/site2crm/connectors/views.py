"""Connections as pages show them: words, lines and options, so that templates need not think."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import dealing, drift, mapping, owners, queries, sending, sources
from site2crm.connectors.contract import Exchange, FieldDef
from site2crm.connectors.kinds import APP_ID, APP_SECRET, ConnectorKind, SettingField, Way
from site2crm.connectors.mapping import Row, Transform
from site2crm.connectors.models import Connection
from site2crm.connectors.opening import INBOX, Checked
from site2crm.connectors.registry import KINDS
from site2crm.connectors.sending import field_defs
from site2crm.connectors.words import cure as cure
from site2crm.connectors.words import label as label
from site2crm.connectors.words import sentence as sentence
from site2crm.core.access import OrgRef
from site2crm.core.formats import json_pretty, plural
from site2crm.core.templates import Banner

LONGEST_FLASH = 600


class Offer(NamedTuple):
    """A kind of CRM that can be connected."""

    name: str
    label: str
    icon: str
    text: str


class Line(NamedTuple):
    """One row of a mapping, for reading."""

    source: str
    change: str
    property: str
    label: str
    type: str
    choices: str
    warning: str


class Setting(NamedTuple):
    """One input of the connection form."""

    name: str
    label: str
    type: str
    value: str
    hint: str
    placeholder: str
    required: bool
    choices: Sequence[tuple[str, str]]


CHANGES = [
    (Transform.NONE.value, "As it is"),
    (Transform.LOWER.value, "In small letters"),
    (Transform.UPPER.value, "In capitals"),
    (Transform.NAME_CASE.value, "As a name"),
    (Transform.E164.value, "Phone as +…"),
    (Transform.FIRST_WORD.value, "First word"),
    (Transform.REST_WORDS.value, "All but the first word"),
]


_TYPES = {
    "money": "amount",
    "bool": "yes or no",
    "datetime": "date and time",
    "choices": "several choices",
    "ref": "another record",
}


def offers() -> list[Offer]:
    return [Offer(kind.name, kind.label, kind.icon, kind.about) for kind in KINDS.values()]


def icon(kind: str) -> str:
    return KINDS[kind].icon if kind in KINDS else "plug"


def account_line(kind: str, account: Mapping[str, str]) -> str:
    """What it is and who we are there."""
    return " · ".join(dict.fromkeys(part for part in (label(kind), account.get("name", "")) if part))


async def banners(session: AsyncSession, org: OrgRef) -> list[Banner]:
    """Every page of the org says which CRM has stopped, with the button that mends it."""
    return [_stopped(org, each) for each in await queries.parked(session, org.id)]


def _stopped(org: OrgRef, connection: Connection) -> Banner:
    name, url = queries.full_name(connection.kind, connection.name), f"/o/{org.slug}/crms/{connection.id}"
    text = f"{name} stopped: {sentence(connection.state_reason)} Its leads wait here."
    told_at = (url, f"{url}/reconnect", *queries.boards(org))
    return Banner(text=text, tone="bad", action_label="Reconnect", action_url=url, told_at=told_at)


def said(kind: str, checked: Checked) -> tuple[str, str]:
    """What a test said, and its tone."""
    if checked.account is not None:
        found = plural(len(checked.fields), "property", "properties")
        return f"Connected to {checked.account.name}: {found} found.", "good"
    return f"{label(kind)} said no: {sentence(checked.error)} {cure(kind, checked.error)}"[:LONGEST_FLASH], "bad"


def what_next(kind: str) -> str:
    """After a connection was made, whichever way it got in."""
    also = (" and deals" if sending.can_add_deals(kind) else "") if sending.has_owners(kind) else ""
    return f"Next, look over its mapping{', owners' if sending.has_owners(kind) else ''}{also} below."


def settings_of(
    kind: ConnectorKind, values: dict[str, str], *, is_new: bool, way: Way = Way.KEY, app_is_set: bool = False
) -> list[Setting]:
    """The form's inputs. A secret is never filled in; left empty, it stays as it is.

    `app_is_set`: the operator has an app, so that nobody else needs one.
    """
    return [_setting(field, values, is_new=is_new, app_is_set=app_is_set) for field in kind.fields_of(way)]


def settings_of_other(kind: ConnectorKind, values: dict[str, str], *, way: Way, app_is_set: bool) -> list[Setting]:
    """The inputs of the way that this connection does not go, without those that both ways have."""
    other = Way.OAUTH if way is Way.KEY else Way.KEY
    own = [field for field in kind.settings if field.way is other] if other in kind.ways else []
    return [_setting(field, values, is_new=True, app_is_set=app_is_set) for field in own]


def _setting(field: SettingField, values: Mapping[str, str], *, is_new: bool, app_is_set: bool) -> Setting:
    stays = not is_new and field.kind == "secret"
    of_app = field.way is Way.OAUTH and field.name in (APP_ID, APP_SECRET)
    return Setting(
        name=f"settings.{field.name}",
        label=field.label,
        type={"secret": "password", "url": "url"}.get(field.kind, "text"),
        value="" if field.kind == "secret" else values.get(field.name, ""),
        hint="Leave it empty to keep the present one." if stays else field.help,
        placeholder=field.placeholder,
        required=(field.required or (of_app and not app_is_set)) and not stays,
        choices=field.choices,
    )


def type_of(field: FieldDef) -> str:
    """What goes in there, in words."""
    return _TYPES.get(field.type, field.type)


def lines(connection: Connection, rows: Sequence[Row] | None = None) -> list[Line]:
    """Of these rows, or of those that it has."""
    known = {field.key: field for field in field_defs(connection)}
    rows = mapping.stored(connection.mapping) if rows is None else rows
    warned = warnings(connection, rows)
    return [_line(row, known.get(row.property), warned.get(row.property, "")) for row in rows]


class Rule(NamedTuple):
    """Who gets a record, or the deal that it brings, in a line. `part`: its place on the page of the mapping."""

    label: str
    text: str
    part: str
    is_set: bool


def rules(connection: Connection) -> list[Rule]:
    """Of a kind that has owners; and deals, if we can make them there."""
    if not sending.has_owners(connection.kind):
        return []
    directory = owners.directory_of(connection.directory)
    owner, deal = owners.stored(connection.owner_rule), dealing.stored(connection.deal_rule)
    named = ", ".join(dict.fromkeys(owners.named_now(id, directory) for id in owners.named(owner)))
    found = [Rule("Owner", named or "Nobody in particular", "owner", bool(named))]
    if sending.can_add_deals(connection.kind):
        place = dealing.place_name(deal, directory) or "in the first stage"
        found.append(
            Rule("Deal", f"One for each {deal.per}, {place}" if deal.enabled else "None is made", "deal", deal.enabled)
        )
    return found


def forms_text(form_ids: Sequence[str], names: Mapping[str, str]) -> str:
    """Whose leads it gets."""
    return ", ".join(names.get(id, "a removed form") for id in form_ids) or "every form"


def warnings(connection: Connection, rows: Sequence[Row]) -> dict[str, str]:
    """Property -> why it will not be filled, in the words of the CRM where it said so itself."""
    judged = {each.name: each.text for each in reversed(drift.of_rows(connection, rows))}
    return judged | {str(warning["property"]): str(warning["text"]) for warning in connection.warnings}


def choices_text(field: FieldDef | None) -> str:
    if field is None or not field.choices:
        return ""
    shown = ", ".join(name or value for value, name in field.choices[:8])
    return f"{shown}, … ({len(field.choices)})" if len(field.choices) > 8 else shown


def request_text(exchange: Exchange) -> str:
    """A request as it goes over the wire; JSON is set out for reading."""
    head = [f"{exchange.method} {exchange.url}", *(f"{k}: {v}" for k, v in exchange.request_headers.items())]
    try:
        body = json_pretty(msgspec.json.decode(exchange.request_body)) if exchange.request_body else ""
    except msgspec.DecodeError:
        body = exchange.request_body
    return "\n".join([*head, "", body] if body else head)


def is_inbox(kind: str) -> bool:
    return kind == INBOX


def _source_text(row: Row) -> str:
    return ", else ".join(map(sources.label_of, [row.source, *row.otherwise]))


def _line(row: Row, field: FieldDef | None, warning: str) -> Line:
    change = "" if row.transform is Transform.NONE else dict(CHANGES).get(row.transform.value, "By a list of values")
    return Line(
        source=_source_text(row),
        change=change,
        property=row.property,
        label=field.label if field else "",
        type=type_of(field) if field else "",
        choices=choices_text(field),
        warning=warning,
    )
