"""An entry of the configuration file put to its CRM, applied or not yet: nothing is saved, and no lead is sent."""

import secrets
from collections.abc import Iterator, Sequence
from typing import cast

import msgspec
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import asking, declared_rules, opening, owners, words
from site2crm.connectors.contract import CrmError
from site2crm.connectors.declaring import CRM, WEBHOOKS
from site2crm.connectors.drift import Drift
from site2crm.connectors.entering import kind_named
from site2crm.connectors.kinds import ConnectorKind, Way
from site2crm.connectors.models import Connection
from site2crm.connectors.opening import Budgets, Checked
from site2crm.core.config import Settings
from site2crm.core.config_sources import Problem
from site2crm.core.crypto import Vault
from site2crm.core.db import Database
from site2crm.core.declared.contract import Entry, Row, Work
from site2crm.core.errors import FieldError, Invalid
from site2crm.core.http import Outbound
from site2crm.core.machine import Machine, Part

DECLARED_TABLES = {each.table: each for each in (CRM, WEBHOOKS)}
NOT_READ = "Give the token this right; until then nobody knows whether the owners and stages of the file are there."


class Written(Struct, frozen=True, kw_only=True):
    """An entry, and the connection that it makes. `is_applied`: it is there already."""

    entry: Entry
    connection: Connection
    is_applied: bool
    forms: dict[str, str]
    """Form id -> how the file calls it."""


class Said(Struct, frozen=True, kw_only=True):
    """`refused`: leads are not taken like this, where else they only arrive without something."""

    problem: Problem
    cure: str
    refused: bool
    is_required: bool = False
    """Nothing fills what the CRM requires."""


class Answered(Struct, frozen=True, kw_only=True):
    checked: Checked
    said: Sequence[Said]


async def written(work: Work, entry: Entry, *, row: Row | None) -> Written:
    """As applying it would make it, in no session. Raises Invalid."""
    connection, is_applied = await DECLARED_TABLES[entry.table].as_written(work, entry, row=row)
    org = entry.path.partition("/")[0]
    keys = {path.rpartition("/")[2]: id for path, id in work.ids.items() if path.startswith(f"{org}/forms/")}
    forms = {keys.get(key, key): key for key in entry.siblings.get("orgs.forms", ())}
    return Written(entry=entry, connection=connection, is_applied=is_applied, forms=forms)


async def answered(machine: Machine, one: Written) -> Answered:
    """Token, rights, and everything that the mapping names, each with its line."""
    checked = await asking.asked(machine, one.connection)
    if not one.is_applied:
        machine.get(Budgets).forget(one.connection.id)
    return Answered(checked=checked, said=list(_said(one, kind_named(one.connection.kind), checked)))


class Alone:
    """The `Desk` of a process without a server: it has what the file says, and no records."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.outbound = Outbound(
            settings.outbound.timeout,
            settings.outbound.max_response,
            allow_private=settings.outbound.allow_private,
        )
        self.vault = Vault(secrets.token_bytes(32))
        self._budgets = Budgets()

    @property
    def database(self) -> Database:
        raise NotImplementedError("Without a server no records are read.")

    def get(self, kind: type[Part]) -> Part:
        assert kind is Budgets
        return cast("Part", self._budgets)

    def url(self, path: str) -> str:
        return self.settings.base_url + path


async def answered_alone(desk: Alone, entry: Entry) -> tuple[Written, Answered] | None:
    """As the file has it, without records; None for what only the server can ask: a sign-in, and the Test inbox.

    Whether all is filled that the CRM requires nobody knows where the file leaves the rows to the browser.
    """
    one = await written(Work(session=AsyncSession(), vault=desk.vault, org=None, ids={}), entry, row=None)
    connection = one.connection
    if connection.way == Way.OAUTH or connection.kind == opening.INBOX:
        return None
    if "fields" not in entry.values:
        connection.mapping = []
    access = opening.access_by(desk.vault, connection, grants=None)
    try:
        checked = await opening.examine(opening.connect(desk, access), opening.sales_side(desk, access))
    except CrmError as error:
        checked = opening.refused(error)
    said = list(_said(one, kind_named(connection.kind), checked))
    return one, Answered(checked=checked, said=[each for each in said if connection.mapping or not each.is_required])


def _said(one: Written, kind: ConnectorKind, checked: Checked) -> Iterator[Said]:
    if not checked.ok:
        yield _told(one, words.setting_of(kind, checked), f"{kind.label} says no: {words.sentence(checked.error)}",
                    _way_on(one, kind, checked), refused=checked.needs_a_person)  # fmt: skip
        return
    if text := asking.strange(one.connection, checked):
        yield _told(one, words.setting_of(kind, checked), text, "Enter the one of the account that is connected.")
    if text := asking.lacking(kind.label, checked):
        yield _told(one, words.secret_of(kind, one.connection.way), text, asking.GIVE_RIGHTS, refused=False)
    elif checked.directory_error:
        text = f"Owners and pipelines cannot be read: {words.sentence(checked.directory_error)}"
        yield _told(one, "owner" if "owner" in one.entry.values else "deal", text, NOT_READ, refused=False)
    for fault in _rules(one, kind, checked):
        yield _told(one, fault.field, fault.message, "Name one that the CRM has, in the file.", refused=False)
    for each in asking.judged(one.connection, checked):
        said = _told(one, _place(one, each), each.text, each.cure, refused=each.refused)
        yield msgspec.structs.replace(said, is_required=each.place == "required")


def _rules(one: Written, kind: ConnectorKind, checked: Checked) -> Iterator[FieldError]:
    """Owners and stages as the CRM has them now: names become ids, for what is judged after this."""
    directory = owners.directory_of(checked.directory or {})
    for part, column in (("owner", "owner_rule"), ("deal", "deal_rule")):
        if part not in one.entry.values or checked.directory is None:
            continue
        entry = msgspec.structs.replace(one.entry, values={part: one.entry.values[part]})
        try:
            rules = declared_rules.read(entry, kind, directory, form_id=str)
        except Invalid as invalid:
            setattr(one.connection, column, {})
            yield from invalid.errors
        else:
            declared_rules.write(rules, one.connection)


def _place(one: Written, each: Drift) -> str:
    """What of the entry it is about; empty where the file leaves that to the browser."""
    if each.place in ("owner", "deal"):
        return each.place
    rows = f"form_fields.{one.forms.get(each.form, each.form)}" if each.form else "fields"
    return f"{rows}.{each.source}" if each.source else rows


def _way_on(one: Written, kind: ConnectorKind, checked: Checked) -> str:
    if one.connection.way == Way.OAUTH and not one.connection.grant:
        when = "" if one.is_applied else "once this has been applied, "
        return f"{when}somebody signs in on the page of the connection; leads wait there until then"
    return words.cure(kind.name, checked.error) if checked.needs_a_person else "Ask again in a few minutes."


def _told(one: Written, field: str, text: str, cure: str, *, refused: bool = True) -> Said:
    known = field if field.partition(".")[0] in one.entry.values else ""
    return Said(problem=one.entry.problem(FieldError(known, text)), cure=cure, refused=refused)
