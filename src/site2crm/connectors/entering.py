"""What a person or a program entered for a connection: checked, completed, and parted into settings and secrets."""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from site2crm.connectors import opening, registry
from site2crm.connectors.contract import Connector, CrmError
from site2crm.connectors.kinds import ConnectorKind, SettingField, Way
from site2crm.connectors.models import Connection
from site2crm.connectors.opening import Access
from site2crm.connectors.states import State
from site2crm.core.access import OrgRef
from site2crm.core.crypto import Unreadable
from site2crm.core.errors import FieldError, Invalid
from site2crm.core.http import AddressRefused, OutboundError
from site2crm.core.machine import Machine
from site2crm.kit import clock

LONGEST_SETTING = 4_000
QUOTES = ('""', "''", "``", "“”", "„“", "«»")
"""What comes along when something is copied out of a file or a mail; no setting begins and ends with any of them."""


class Entered(Struct, frozen=True, kw_only=True):
    """`made` are the secrets that we made because none were given: to be shown once."""

    settings: dict[str, str]
    secrets: dict[str, str]
    made: dict[str, str]

    def __repr__(self) -> str:
        return f"Entered({sorted(self.settings)}, {sorted(self.secrets)})"


def kind_named(name: str) -> ConnectorKind:
    """Raises Invalid."""
    kind = registry.get(name)
    if kind is None:
        raise Invalid.field("kind", f"One of: {', '.join(registry.KINDS)}.")
    return kind


def blank(kind: ConnectorKind, org_id: str, *, id: str, account: Mapping[str, str]) -> Connection:
    """A new connection in no session, with what nobody enters."""
    now = clock.now()
    return Connection(
        id=id,
        org_id=org_id,
        kind=kind.name,
        name="",
        state=State.ACTIVE,
        state_reason="",
        state_at=now,
        settings={},
        secrets="",
        secret_hints={},
        grant="",
        mapping=[],
        form_mappings={},
        owner_rule={},
        deal_rule={},
        directory={},
        drift=[],
        account=dict(account),
        form_ids=[],
        fields=[],
        warnings=[],
        created_at=now,
        updated_at=now,
    )


def account_of(kind: ConnectorKind, org: OrgRef, *, id: str) -> dict[str, str]:
    """Of a new connection, before any test: the records of a Test inbox are pages of ours."""
    return {"url": f"/o/{org.slug}/crms/{id}/inbox"} if kind.name == opening.INBOX else {}


def read(kind: ConnectorKind, given: Mapping[str, str], *, way: Way = Way.KEY, known: Entered | None = None) -> Entered:
    """`known` is stored already: a field that is left empty keeps it. Raises Invalid naming `settings.<name>`."""
    before = {**known.settings, **known.secrets} if known else {}
    fields = {field.name: field for field in kind.fields_of(way)}
    refused = [FieldError(f"settings.{name}", _unknown(kind, name)) for name in sorted(given.keys() - fields)]
    values: dict[str, str] = {}
    made: dict[str, str] = {}
    for name, field in fields.items():
        value = bare(given.get(name, "")) or before.get(name, "")
        if not value and field.make is not None:
            value = made[name] = field.make()
        if fault := _fault(field, value):
            refused.append(FieldError(f"settings.{name}", fault))
        if value:
            values[name] = value
    if refused:
        raise Invalid(refused[0].message, errors=refused)
    secret = {name for name, field in fields.items() if field.kind == "secret"}
    return Entered(
        settings={name: value for name, value in values.items() if name not in secret},
        secrets={name: value for name, value in values.items() if name in secret},
        made=made,
    )


def bare(text: str) -> str:
    """Without what surrounds a value that was pasted: spaces, and one pair of quotes."""
    found = text.strip()
    if len(found) > 1 and found[0] + found[-1] in QUOTES:
        found = found[1:-1].strip()
    return found


def held(machine: Machine, org_id: str, kind: str, secrets: Mapping[str, str]) -> str:
    """The secrets of a refused draft, sealed: the page hands them back, and nobody can read them there."""
    return machine.vault.seal(msgspec.json.encode(secrets), aad=_draft_of(org_id, kind))


def handed_back(machine: Machine, org_id: str, kind: str, sealed: str) -> dict[str, str]:
    """What `held` sealed for this org and kind; nothing if it is not that."""
    try:
        return msgspec.json.decode(machine.vault.open(sealed, aad=_draft_of(org_id, kind)), type=dict[str, str])
    except Unreadable:
        return {}


async def opened(machine: Machine, kind: ConnectorKind, access: Access) -> Connector:
    """A connector for what was entered. Raises Invalid: an address that must not be called, a token that is none."""
    await permitted(machine, kind, access.settings)
    try:
        return opening.connect(machine, access)
    except CrmError as error:
        raise refused(error) from error


def refused(error: CrmError) -> Invalid:
    """What was entered cannot work, whatever the CRM says."""
    return Invalid.field(f"settings.{error.field}" if error.field else "settings", error.text)


async def permitted(machine: Machine, kind: ConnectorKind, settings: Mapping[str, str]) -> None:
    """Raises Invalid for an address that must not be called."""
    for field in kind.settings:
        if field.kind == "url" and (url := settings.get(field.name)):
            await _permitted(machine, field, url)


async def _permitted(machine: Machine, field: SettingField, url: str) -> None:
    """An address inside is refused when it is saved, with the line that would allow it; the test tells the rest."""
    try:
        await machine.outbound.check(url)
    except AddressRefused as error:
        raise Invalid.field(f"settings.{field.name}", str(error)) from error
    except OutboundError:
        return


def _unknown(kind: ConnectorKind, name: str) -> str:
    if any(field.name == name for field in kind.settings):
        return f"It belongs to the other way to connect {kind.label}."
    return f"{kind.label} has no setting {name[:40]!r}."


def _draft_of(org_id: str, kind: str) -> str:
    return f"{org_id}|draft|{kind}"


def _fault(field: SettingField, value: str) -> str:
    if not value:
        return f"{field.label} is needed." if field.required else ""
    if len(value) > LONGEST_SETTING:
        return f"At most {LONGEST_SETTING} characters."
    if field.kind == "choice" and value not in {key for key, _ in field.choices}:
        return f"One of: {', '.join(key for key, _ in field.choices)}."
    return ""
