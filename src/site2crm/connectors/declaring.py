"""`[[orgs.crm]]` and `[[orgs.webhooks]]` of the configuration file: connections with their mapping.

    [[orgs.crm]]
    key = "hubspot"
    kind = "hubspot"
    token = { env = "ACME_HUBSPOT_TOKEN" }    # or way = "oauth": then somebody signs in, in the browser
    forms = ["contact"]          # keys of [[orgs.forms]], or ids; left out: every form
    [orgs.crm.fields]            # our field = the CRM's property; left out: suggested, then edited in the browser
    email = "email"
    "custom.Budget" = { property = "budget", transform = "value_map", value_map = { "< 10k" = "small" } }

A webhook is a connection of the kind of that name. Nothing is called here; the CRM is asked when this is saved.
"""

from collections.abc import Collection, Iterator, Sequence

import msgspec
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import declared_rules, entering, health, leaving, mapping, queries, registry, sealing
from site2crm.connectors.contract import Context, CrmError
from site2crm.connectors.entering import Entered
from site2crm.connectors.errors import ConnectionNotFound
from site2crm.connectors.events import ConnectionCreated, ConnectionPaused, ConnectionResumed
from site2crm.connectors.granting import NOBODY
from site2crm.connectors.kinds import ConnectorKind, Way
from site2crm.connectors.mapping import Row as MappingRow
from site2crm.connectors.models import Connection
from site2crm.connectors.states import State
from site2crm.connectors.suggest import Question, suggest
from site2crm.core.access import OrgRef
from site2crm.core.declared.contract import Difference, Entry, Row, Work
from site2crm.core.declared.shape import shaped
from site2crm.core.errors import FieldError, Invalid
from site2crm.core.events import emit
from site2crm.core.http import Outbound
from site2crm.core.queue import enqueue
from site2crm.kit import clock, ids

EXAMINE = "connectors.examine"
OWN_KEYS = ("kind", "way", "name", "forms", "fields", "paused", *declared_rules.KEYS)
OF_CRMS = ("kind", "way")
"""A webhook is of one kind, and has one way."""
WEBHOOK = "webhook"
_NO_ORG = OrgRef("org_NEW", "new", "New")
_GONE = "No longer in {}: put it back there, or resume it here."


class Wanted(Struct, frozen=True):
    """`fields` values: a property, or a row of the mapping without its source. `way` empty: a key, if there is one."""

    name: str = ""
    way: str = ""
    forms: list[str] = []
    fields: dict[str, object] = {}
    paused: bool = False


class Connections:
    """Of one table; for webhooks the kind is known and is not written."""

    def __init__(self, table: str, kind: str | None = None) -> None:
        self._table = table
        self._kind = kind

    @property
    def table(self) -> str:
        return self._table

    def keys(self, entry: Entry) -> Collection[str]:
        kind = registry.get(self._kind_name(entry))
        own = [key for key in OWN_KEYS if key not in OF_CRMS or self._kind is None]
        return [*own, *(field.name for field in kind.settings)] if kind else [*own, *entry.values]

    def check(self, entry: Entry) -> None:
        kind = entering.kind_named(self._kind_name(entry))
        faults: list[FieldError] = []
        for part in (_entered, _rows, _known_forms, declared_rules.check, _opens):
            try:
                part(entry, kind)
            except Invalid as invalid:
                faults += invalid.errors
        if faults:
            raise Invalid(faults[0].message, errors=list(dict.fromkeys(faults)))

    def locks(self, entry: Entry) -> Collection[str]:
        return {"name", "settings", "way", "form_ids", "remove", *_given(entry)}

    async def find(self, work: Work, entry: Entry) -> str | None:
        given = entry.values.get("id")
        if given is None or work.org is None:
            return None
        try:
            found = await queries.get(work.session, work.org.id, str(given))
        except ConnectionNotFound as error:
            text = f"{work.org.slug} has no connection {given}; leave it out to make one."
            raise Invalid.field("id", text) from error
        if found.kind != self._kind_name(entry):
            raise Invalid.field("kind", f"The connection {given} is of the kind {found.kind}.")
        return found.id

    async def differences(self, work: Work, entry: Entry, *, row: Row) -> Sequence[Difference] | None:
        connection = await _of(work, row.id)
        if connection is None:
            return None
        kind = entering.kind_named(self._kind_name(entry))
        _expect_same(connection, kind)
        return list(_differences(work, entry, kind, connection))

    async def create(self, work: Work, entry: Entry) -> str:
        assert work.org is not None
        kind = entering.kind_named(self._kind_name(entry))
        connection = _new(kind, work.org, await queries.questions(work.session, work.org.id))
        _write(work, entry, kind, connection)
        work.session.add(connection)
        await work.session.flush()
        await emit(work.session, ConnectionCreated(org_id=work.org.id, connection_id=connection.id))
        await _examine_soon(work.session, connection)
        return connection.id

    async def change(self, work: Work, entry: Entry, *, row: Row) -> None:
        connection = await _of(work, row.id)
        assert connection is not None
        kind = entering.kind_named(self._kind_name(entry))
        was_gone = row.was_gone and connection.state == State.PAUSED
        if connection.way != _way(entry, kind):
            await leaving.enqueued(work.session, connection)
        _write(work, entry, kind, connection)
        if was_gone and not _wanted(entry).paused:
            health.set_state(connection, State.ACTIVE)
            await emit(work.session, ConnectionResumed(org_id=connection.org_id, connection_id=connection.id))
        await work.session.flush()
        await _examine_soon(work.session, connection)

    async def as_written(self, work: Work, entry: Entry, *, row: Row | None) -> tuple[Connection, bool]:
        """The connection as this entry makes it, in no session, and whether it is there already. Raises Invalid."""
        kind = entering.kind_named(self._kind_name(entry))
        stored = await _of(work, row.id) if row is not None and work.org is not None else None
        if stored is not None:
            work.session.expunge(stored)
            _expect_same(stored, kind)
        asked = await queries.questions(work.session, work.org.id) if work.org is not None else []
        connection = stored or _new(kind, work.org or _NO_ORG, asked)
        _write(work, entry, kind, connection)
        return connection, stored is not None

    async def release(self, work: Work, row_id: str, *, source: str) -> None:
        """Leads wait: nothing is thrown away because a line was."""
        connection = await _of(work, row_id)
        if connection is not None and connection.state in (State.ACTIVE, State.PARKED):
            health.set_state(connection, State.PAUSED, reason=_GONE.format(source.partition(" line")[0]))
            await emit(work.session, ConnectionPaused(org_id=connection.org_id, connection_id=row_id))

    def _kind_name(self, entry: Entry) -> str:
        return self._kind or str(entry.values.get("kind", ""))


def _new(kind: ConnectorKind, org: OrgRef, questions: Sequence[Question]) -> Connection:
    """With what no entry says."""
    id = ids.new("con")
    connection = entering.blank(kind, org.id, id=id, account=entering.account_of(kind, org, id=id))
    connection.mapping = msgspec.to_builtins(suggest(kind, [], questions))
    return connection


def _expect_same(connection: Connection, kind: ConnectorKind) -> None:
    """Raises Invalid: an entry stays with its kind."""
    if connection.kind != kind.name:
        text = f"It is a connection to {connection.kind}: give the one to {kind.name} another key."
        raise Invalid.field("kind", text)


def _given(entry: Entry) -> list[str]:
    """What else only the file changes, if it says something about it."""
    parts = {"fields": "mapping", "owner": "owner", "deal": "deal", "form_fields": "form_mappings"}
    return [part for key, part in parts.items() if entry.values.get(key)]


def _wanted(entry: Entry) -> Wanted:
    return shaped(Wanted, {**entry.values, "name": entry.name})


def _way(entry: Entry, kind: ConnectorKind) -> Way:
    way = _wanted(entry).way or (Way.KEY if Way.KEY in kind.ways else Way.OAUTH)
    if way not in kind.ways:
        raise Invalid.field("way", f"{kind.label} is connected by: {', '.join(kind.ways)}.")
    return Way(way)


def _entered(entry: Entry, kind: ConnectorKind, known: Entered | None = None) -> Entered:
    for field in kind.settings:
        if field.make is not None and field.name not in entry.values:
            raise Invalid.field(field.name, "is needed here: one that we make would be shown to nobody")
    names = [field.name for field in kind.settings if field.name in entry.values]
    given = {name: entry.secret(name) for name in names}
    try:
        return entering.read(kind, given, way=_way(entry, kind), known=known)
    except Invalid as invalid:
        raise _renamed(invalid, "settings.", "") from invalid


def _rows(entry: Entry, _kind: ConnectorKind) -> list[MappingRow]:
    """Empty: the file leaves the mapping to the browser."""
    return declared_rules.rows(_wanted(entry).fields, "fields")


def _rules(work: Work, entry: Entry, kind: ConnectorKind, connection: Connection) -> declared_rules.Rules:
    return declared_rules.of(entry, kind, connection, form_id=lambda key: _form_id(work, entry, key))


def _known_forms(entry: Entry, _kind: ConnectorKind) -> None:
    known = entry.siblings.get("orgs.forms", ())
    unknown = [key for key in _wanted(entry).forms if key not in known and not key.startswith("frm_")]
    if unknown:
        there = f"there are {', '.join(known)}" if known else "this org declares none"
        raise Invalid.field("forms", f"No [[orgs.forms]] has the key {unknown[0]!r}; {there}. A form's id works too.")


def _opens(entry: Entry, kind: ConnectorKind) -> None:
    entered = _entered(entry, kind)
    try:
        nobody = NOBODY if _way(entry, kind) is Way.OAUTH else None
        kind.opens(Context("con_CHECK", Outbound(), settings=entered.settings, secrets=entered.secrets, grants=nobody))
    except CrmError as error:
        raise Invalid.field(error.field or "kind", error.text) from error


async def _of(work: Work, row_id: str) -> Connection | None:
    assert work.org is not None
    try:
        return await queries.get(work.session, work.org.id, row_id)
    except ConnectionNotFound:
        return None


def _form_ids(work: Work, entry: Entry) -> list[str]:
    return [_form_id(work, entry, key) for key in _wanted(entry).forms]


def _form_id(work: Work, entry: Entry, key: str) -> str:
    """Of a form that does not exist yet: its key, so that the plan shows it."""
    return key if key.startswith("frm_") else work.ids.get(f"{entry.path.partition('/')[0]}/forms/{key}", key)


def _differences(work: Work, entry: Entry, kind: ConnectorKind, connection: Connection) -> Iterator[Difference]:
    wanted, known = _wanted(entry), _stored(work, connection)
    entered = _entered(entry, kind, known)
    if connection.name != wanted.name:
        yield Difference("name", connection.name, wanted.name)
    for field in kind.settings:
        was = {**known.settings, **known.secrets}.get(field.name, "")
        now = {**entered.settings, **entered.secrets}.get(field.name, "")
        if was != now:
            secret = field.kind == "secret"
            yield Difference(field.name, "•••" if secret and was else was, "another" if secret else now)
    if connection.form_ids != _form_ids(work, entry):
        yield Difference("forms", _listed(connection.form_ids), _listed(_form_ids(work, entry)))
    if (rows := _rows(entry, kind)) and mapping.stored(connection.mapping) != rows:
        yield Difference("fields", _shown(mapping.stored(connection.mapping)), _shown(rows))
    if connection.way != _way(entry, kind):
        yield Difference("way", connection.way, _way(entry, kind))
    yield from declared_rules.differences(_rules(work, entry, kind, connection), connection)
    if wanted.paused and connection.state == State.ACTIVE:
        yield Difference("paused", "false", "true")


def _write(work: Work, entry: Entry, kind: ConnectorKind, connection: Connection) -> None:
    wanted, known = _wanted(entry), _stored(work, connection)
    entered = _entered(entry, kind, known)
    connection.name, connection.form_ids, connection.way = wanted.name, _form_ids(work, entry), _way(entry, kind)
    if (entered.settings, entered.secrets) != (known.settings, known.secrets) or not connection.secrets:
        place = {"org_id": connection.org_id, "connection_id": connection.id}
        connection.settings = dict(entered.settings)
        connection.secrets = sealing.sealed_secrets(work.vault, entered.secrets, **place)
        connection.secret_hints = sealing.hints(entered.secrets)
    if connection.way == Way.KEY:
        connection.grant, connection.grant_expires_at = "", None
    if rows := _rows(entry, kind):
        connection.mapping = msgspec.to_builtins(rows)
    declared_rules.write(_rules(work, entry, kind, connection), connection)
    if wanted.paused and connection.state == State.ACTIVE:
        health.set_state(connection, State.PAUSED, reason=f"paused in {entry.source}")
    connection.updated_at = clock.now()


def _stored(work: Work, connection: Connection) -> Entered:
    """What cannot be opened any more is written anew."""
    try:
        secrets = sealing.secrets_of(work.vault, connection)
    except CrmError:
        secrets = {}
    return Entered(settings=connection.settings, secrets=secrets, made={})


async def _examine_soon(session: AsyncSession, connection: Connection) -> None:
    """The CRM is asked who we are there, and which fields it has, once this is saved."""
    key = f"{EXAMINE}:{connection.id}:{connection.updated_at.isoformat()}"
    await enqueue(session, EXAMINE, key=key, org_id=connection.org_id, connection_id=connection.id)


def _renamed(invalid: Invalid, before: str, after: str) -> Invalid:
    faults = [FieldError(after + fault.field.removeprefix(before), fault.message) for fault in invalid.errors]
    return Invalid(invalid.detail, errors=faults)


def _listed(form_ids: Sequence[str]) -> str:
    return ", ".join(form_ids) or "every form"


def _shown(rows: Sequence[MappingRow]) -> str:
    return ", ".join(f"{row.source} = {row.property}" for row in rows)


CRM = Connections("orgs.crm")
WEBHOOKS = Connections("orgs.webhooks", WEBHOOK)
