"""What is asked for a connection: its mapping, owner and deal, and single forms, checked against what its CRM has."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from site2crm.connectors import dealing, mapping, owners
from site2crm.connectors.dealing import DealRule
from site2crm.connectors.kinds import ConnectorKind, Way
from site2crm.connectors.mapping import Row
from site2crm.connectors.models import Connection
from site2crm.connectors.owners import OwnerRule, OwnerWay
from site2crm.connectors.sales import Directory
from site2crm.core.errors import Invalid

MappingIn = list[Row] | dict[str, str]
"""Rows, or the short form `{"email": "email"}`: our field -> the CRM's property."""
FormMappingsIn = dict[str, MappingIn | None]
"""Form id -> its own rows; null or none takes them back."""


LONGEST_NAME = 120
Name = Annotated[str, Meta(max_length=LONGEST_NAME)]
# A line break would end the subject of a mail; the others turn what follows around, or are no text at all
_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")


class ConnectionIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """A new connection. Without `mapping` one is suggested; without `form_ids` it gets the leads of every form."""

    kind: str
    name: Name = ""
    settings: dict[str, str] = {}
    mapping: MappingIn | UnsetType = UNSET
    form_mappings: FormMappingsIn = {}
    owner: OwnerRule = msgspec.field(default_factory=OwnerRule)
    deal: DealRule = msgspec.field(default_factory=DealRule)
    form_ids: list[str] = []


class ConnectionPatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """What is to change. In `settings`, what is left out or empty stays: a secret is never read back. `form_mappings`
    names the forms that change; `owner` and `deal` are given whole. `way` "key" with its settings takes the place of a
    sign-in; the other way round leads through the CRM's own page (`POST .../authorize`)."""

    name: Name | UnsetType = UNSET
    way: Way | UnsetType = UNSET
    settings: dict[str, str] | UnsetType = UNSET
    mapping: MappingIn | UnsetType = UNSET
    form_mappings: FormMappingsIn | UnsetType = UNSET
    owner: OwnerRule | UnsetType = UNSET
    deal: DealRule | UnsetType = UNSET
    form_ids: list[str] | None | UnsetType = UNSET


def named(text: str) -> str:
    """A name as people type it, on one line."""
    return " ".join(_NO_TEXT.sub(" ", text).split())


def owner(kind: ConnectorKind, rule: OwnerRule, directory: Directory) -> dict[str, Any]:
    """As it is stored. Raises Invalid naming `owner` or a part of it."""
    if rule.way is OwnerWay.NONE:
        return {}
    if kind.sales is None:
        raise Invalid.field("owner", f"{kind.label} has no owners to choose from.")
    return dict(msgspec.to_builtins(owners.checked(rule, directory)))


def deal(kind: ConnectorKind, rule: DealRule, directory: Directory) -> dict[str, Any]:
    """As it is stored; what is switched off is checked too. Raises Invalid naming `deal` or a part of it."""
    if not rule.enabled and rule == DealRule():
        return {}
    if kind.sales is None or not kind.caps.add_deals:
        raise Invalid.field("deal", f"Deals cannot be made in {kind.label}.")
    return dict(msgspec.to_builtins(dealing.checked(rule, directory)))


def settle(connection: Connection) -> None:
    """Names of owners that were given before the CRM had told them, as ids. Whom it does not have, drift tells."""
    rule = owners.settled(owners.stored(connection.owner_rule), owners.directory_of(connection.directory))
    connection.owner_rule = dict(msgspec.to_builtins(rule))


def form_mappings(given: Mapping[str, MappingIn | None], before: Mapping[str, Any]) -> dict[str, Any]:
    """With what other forms have. Raises Invalid naming `form_mappings.<form>...`."""
    made = dict(before)
    for form_id, rows in given.items():
        checked = mapping.rows_of(rows or [], place=f"form_mappings.{form_id}", may_be_empty=True)
        made.pop(form_id, None)
        if checked:
            made[form_id] = msgspec.to_builtins(checked)
    return made


def parts(connection: Connection, patch: ConnectionPatch, mapped: Mapping[str, Any]) -> list[str]:
    """What the patch would change, as the configuration file calls it."""
    name = connection.name if isinstance(patch.name, UnsetType) else named(patch.name)
    form_ids = connection.form_ids if isinstance(patch.form_ids, UnsetType) else patch.form_ids or []
    changed = {
        "name": name not in ("", connection.name),
        "form_ids": form_ids != connection.form_ids,
        "mapping": mapped.get("mapping", connection.mapping) != connection.mapping,
        "form_mappings": mapped.get("form_mappings", connection.form_mappings) != connection.form_mappings,
        "owner": mapped.get("owner_rule", connection.owner_rule) != connection.owner_rule,
        "deal": mapped.get("deal_rule", connection.deal_rule) != connection.deal_rule,
        "settings": not isinstance(patch.settings, UnsetType) and any(patch.settings.values()),
        "way": not isinstance(patch.way, UnsetType) and patch.way != connection.way,
    }
    return [part for part, changes in changed.items() if changes]


def columns(kind: ConnectorKind, before: Connection, patch: ConnectionPatch) -> dict[str, Any]:
    """The columns that change. Raises Invalid."""
    directory = owners.directory_of(before.directory)
    changed: dict[str, Any] = {}
    if not isinstance(patch.mapping, UnsetType):
        changed["mapping"] = msgspec.to_builtins(mapping.rows_of(patch.mapping))
    if not isinstance(patch.form_mappings, UnsetType):
        changed["form_mappings"] = form_mappings(patch.form_mappings, before.form_mappings)
    if not isinstance(patch.owner, UnsetType):
        changed["owner_rule"] = owner(kind, patch.owner, directory)
    if not isinstance(patch.deal, UnsetType):
        changed["deal_rule"] = deal(kind, patch.deal, directory)
    return changed
