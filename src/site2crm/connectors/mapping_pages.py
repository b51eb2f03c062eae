"""`/o/{org}/crms/{id}/mapping`: which field goes where, the exact request, and a rehearsal of it."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from msgspec import UNSET
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import (
    dealing,
    drift,
    dry_run,
    editor,
    examples,
    mapping,
    owners,
    queries,
    rule_editor,
    ruling,
    sending,
    service,
    views,
)
from site2crm.connectors.drift import Drift
from site2crm.connectors.dry_run import Rehearsed
from site2crm.connectors.editor import EditRow
from site2crm.connectors.entering import kind_named
from site2crm.connectors.kinds import ConnectorKind
from site2crm.connectors.mapping import Row
from site2crm.connectors.models import Connection
from site2crm.connectors.rule_editor import DealEdit, OwnerEdit
from site2crm.connectors.sending import Preview, Rules
from site2crm.connectors.service import ConnectionPatch
from site2crm.connectors.sources import LeadValues
from site2crm.core import inputs, web
from site2crm.core.access import Who, needs
from site2crm.core.declared import books
from site2crm.core.declared.books import Lock
from site2crm.core.errors import FieldError, Invalid, NotFound
from site2crm.core.inputs import Fields
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest, Html
from site2crm.forms import queries as form_queries
from site2crm.leads.errors import LeadNotFound

READ, WRITE = needs("connections:read"), needs("connections:write")

Answer = Response[Any]
EVERYTHING = frozenset({"mapping", "form_mappings", "owner", "deal"})
NOT_ALL_FITS = "The mapping is saved, but not all of it fits the CRM: see what is said on this page."


@get("/mapping", opt=READ)
async def show_mapping(
    connection_id: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
    form: FromQuery[str] = "",
) -> Html:
    """The rows of the connection with owner and deal, or with `form` the rows that it has beside them."""
    connection = await service.get(session, who.org_id, connection_id)
    if form and form not in await form_queries.names(session, who.org_id):
        raise NotFound("This form does not exist.")
    draft = _saved(connection, form, await books.lock_of(session, connection_id))
    return await _editor(request, session, who, machine=machine, connection=connection, draft=draft)


@post("/mapping", opt=WRITE)
async def save_mapping(
    connection_id: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
) -> Answer:
    """`act=preview` shows the request for what is in the table; anything else saves it.

    What somebody else has saved since the page was opened is not undone unasked: saving once more does.
    """
    fields = inputs.read(await request.form())
    connection = await service.get(session, who.org_id, connection_id)
    saved = _saved(connection, fields.get("form", ""), await books.lock_of(session, connection_id))
    draft, is_preview = _posted(fields, saved), fields.get("act") == "preview"
    if draft.seen != saved.seen and not is_preview:
        draft = draft._replace(seen=saved.seen, is_overtaken=True)
    try:
        patch = _patch(draft, kind_named(connection.kind))
        if not is_preview and not draft.is_overtaken:
            changed = await service.change(
                session, machine, org_id=who.org_id, connection_id=connection_id, patch=patch
            )
            back = f"{_url(who, connection_id)}/mapping?form={draft.form}" if draft.form else _url(who, connection_id)
            if changed.drift:
                return web.redirect(back, flash=NOT_ALL_FITS, tone="warn")
            return web.redirect(back, flash="The mapping is saved. The next lead goes by it.")
    except Invalid as refused:
        await session.rollback()
        draft = draft._replace(errors=refused.errors)
    connection = await service.get(session, who.org_id, connection_id)
    return await _editor(request, session, who, machine=machine, connection=connection, draft=draft)


@get("/dry-run", opt=READ)
async def show_dry_run(
    connection_id: FromPath[str],
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    who: NamedDependency[Who],
    machine: NamedDependency[Machine],
    lead: FromQuery[str] = "",
    last: FromQuery[str] = "",
) -> Html:
    """Every request for the newest leads, or for one, as they would go out now."""
    connection = await service.get(session, who.org_id, connection_id)
    found: list[Rehearsed] = []
    errors: Sequence[FieldError] = ()
    try:
        wanted = lead.strip().rstrip("/").rpartition("/")[2]  # of an address, which is what people copy
        found = await dry_run.run(session, machine, connection, last=_count(last), lead_id=wanted or None)
    except Invalid as refused:
        errors = refused.errors
    except LeadNotFound:
        errors = Invalid.field(
            "lead", "There is no such lead. Copy its id, led_…, from the address of its page."
        ).errors
    return await web.page(
        request,
        session,
        "connectors/dry_run.html",
        title=f"Dry run of {connection.name}",
        status=422 if errors else 200,
        connection=connection,
        found=found,
        request_text=views.request_text,
        last=last or dry_run.LAST,
        lead=lead,
        errors=errors,
        url=_url(who, connection_id),
        base=who.path("crms"),
    )


@post("/discover", opt=WRITE)
async def discover_fields(
    connection_id: FromPath[str], who: NamedDependency[Who], machine: NamedDependency[Machine]
) -> Answer:
    """Ask the CRM for its properties again."""
    checked = await service.test(machine, who.org_id, connection_id)
    async with machine.session() as reading:
        kind = (await service.get(reading, who.org_id, connection_id)).kind
    text, tone = views.said(kind, checked)
    return web.redirect(f"{_url(who, connection_id)}/mapping", flash=text, tone=tone)


class _Draft(NamedTuple):
    """What stands in the page's form. `form`: whose rows; owner and deal belong to the connection. `locked`: the parts
    that only the configuration file changes; they stand here as they are stored. `seen`: the mark of what was stored
    when the page was opened."""

    rows: Sequence[EditRow]
    form: str = ""
    owner: OwnerEdit = OwnerEdit()
    deal: DealEdit = DealEdit()
    errors: Sequence[FieldError] = ()
    locked: frozenset[str] = frozenset()
    seen: str = ""
    is_overtaken: bool = False

    @property
    def rows_are_locked(self) -> bool:
        return ("form_mappings" if self.form else "mapping") in self.locked

    @property
    def place(self) -> str:
        return f"form_mappings.{self.form}" if self.form else "mapping"


def _saved(connection: Connection, form: str, lock: Lock | None) -> _Draft:
    rows = connection.form_mappings.get(form, []) if form else connection.mapping
    directory = owners.directory_of(connection.directory)
    owner = rule_editor.of_owner(owners.stored(connection.owner_rule), directory)
    deal = rule_editor.of_deal(dealing.stored(connection.deal_rule))
    locked = lock.parts if lock else frozenset()
    return _Draft(editor.of_rows(mapping.stored(rows)), form, owner, deal, locked=locked, seen=editor.mark(connection))


def _posted(fields: Fields, saved: _Draft) -> _Draft:
    return saved._replace(
        rows=saved.rows if saved.rows_are_locked else editor.of_posted(fields),
        owner=saved.owner if "owner" in saved.locked else rule_editor.posted_owner(fields),
        deal=saved.deal if "deal" in saved.locked else rule_editor.posted_deal(fields),
        seen=fields.get("seen", saved.seen),
    )


def _patch(draft: _Draft, kind: ConnectorKind) -> ConnectionPatch:
    """Raises Invalid."""
    rows = editor.to_rows(draft.rows, place=draft.place, may_be_empty=bool(draft.form))
    if draft.form:
        return ConnectionPatch(form_mappings=UNSET if draft.rows_are_locked else {draft.form: rows})
    has_owner = kind.sales and "owner" not in draft.locked
    has_deal = kind.sales and kind.caps.add_deals and "deal" not in draft.locked
    return ConnectionPatch(
        mapping=UNSET if draft.rows_are_locked else rows,
        owner=rule_editor.to_owner(draft.owner) if has_owner else UNSET,
        deal=rule_editor.to_deal(draft.deal) if has_deal else UNSET,
    )


class _Looked(NamedTuple):
    """What is to be said of a draft. `shown` None: it has faults that come first."""

    found: Sequence[Drift]
    rows: Sequence[Row]
    shown: Preview | None = None


def _looked_at(machine: Machine, connection: Connection, draft: _Draft, lead: LeadValues) -> _Looked:
    """As if it was saved. Raises Invalid."""
    kind = kind_named(connection.kind)
    changed = ruling.columns(kind, connection, _patch(draft, kind))
    found = drift.kept(drift.found(connection, changed=changed), drift.stored(connection.drift))
    rows = editor.to_rows(draft.rows, place=draft.place, may_be_empty=True)
    shown = sending.preview(machine, connection, lead, rules=_rules(connection, draft, changed))
    return _Looked(found, rows, shown)


def _rules(connection: Connection, draft: _Draft, changed: Mapping[str, Any]) -> Rules:
    """As they would be if these columns were saved."""
    rows = mapping.stored(changed.get("mapping", connection.mapping))
    own = changed.get("form_mappings", connection.form_mappings).get(draft.form, []) if draft.form else []
    owner = changed.get("owner_rule", connection.owner_rule)
    deal = changed.get("deal_rule", connection.deal_rule)
    return Rules(rows=mapping.merged(rows, mapping.stored(own)), owner=owners.stored(owner), deal=dealing.stored(deal))


async def _editor(
    request: AnyRequest,
    session: AsyncSession,
    who: Who,
    *,
    machine: Machine,
    connection: Connection,
    draft: _Draft,
) -> Html:
    if not who.can("connections:write"):
        draft = draft._replace(locked=EVERYTHING)  # for reading
    lead = await examples.standing_in(session, who.org_id)
    looked = _Looked(drift.stored(connection.drift), mapping.stored(connection.mapping))
    try:
        if not draft.errors:
            looked = _looked_at(machine, connection, draft, lead)
    except Invalid as refused:
        draft = draft._replace(errors=refused.errors)
    return await web.page(
        request,
        session,
        "connectors/mapping.html",
        title=f"Mapping of {connection.name}",
        status=_status(draft) if request.method == "POST" else 200,
        connection=connection,
        kind=kind_named(connection.kind),
        draft=draft,
        lock=await books.lock_of(session, connection.id),
        lines=views.lines(connection, looked.rows),
        rules=[rule for rule in views.rules(connection) if rule.part in draft.locked and not draft.form],
        drift=looked.found,
        sentence=views.sentence,
        **_choices(connection, draft, views.warnings(connection, looked.rows)),
        **await _sources(session, who, draft),
        lead=lead,
        preview=looked.shown,
        errors=draft.errors,
        url=_url(who, connection.id),
        base=who.path("crms"),
    )


def _status(draft: _Draft) -> int:
    if draft.errors:
        return HTTPStatus.UNPROCESSABLE_ENTITY
    return HTTPStatus.CONFLICT if draft.is_overtaken else HTTPStatus.OK


def _count(last: str) -> int:
    """How many leads were asked for, within what is shown at once. Raises Invalid."""
    text = last.strip() or str(dry_run.LAST)
    if not text.isdecimal() or len(text) > inputs.LONGEST_NUMBER or not 1 <= int(text) <= dry_run.MOST:
        raise Invalid.field("last", f"A number from 1 to {dry_run.MOST}.")
    return int(text)


async def _sources(session: AsyncSession, who: Who, draft: _Draft) -> dict[str, Any]:
    questions = await queries.questions(session, who.org_id)
    labels = await examples.custom_labels(session, who.org_id)
    taken = [*editor.taken(draft.rows), draft.owner.owner_source, draft.deal.deal_amount]
    names = await form_queries.names(session, who.org_id)
    return {"sources": editor.source_options(questions, labels, taken), "names": names}


def _choices(connection: Connection, draft: _Draft, warnings: Mapping[str, str]) -> dict[str, Any]:
    """What the inputs offer."""
    fields, directory = sending.field_defs(connection), owners.directory_of(connection.directory)
    chosen = [draft.owner.owner, *draft.owner.owners]
    return {
        "rows": draft.rows,
        "place": draft.place,
        "blanks": [EditRow()] * editor.BLANK_ROWS,
        "known": {field.key: field for field in fields},
        "choices_text": views.choices_text,
        "type_of": views.type_of,
        "warnings": warnings,
        "properties": editor.property_options(fields),
        "changes": views.CHANGES,
        "request_text": views.request_text,
        "has_owners": sending.has_owners(connection.kind) and not draft.form and "owner" not in draft.locked,
        "has_deals": sending.can_add_deals(connection.kind) and not draft.form and "deal" not in draft.locked,
        "ways": rule_editor.WAYS,
        "per": rule_editor.PER,
        "owner_options": rule_editor.owner_options(directory, chosen),
        "stage_options": rule_editor.stage_options(directory, draft.deal.deal_stage),
        "said_of": rule_editor.said_of,
    }


def _url(who: Who, connection_id: str) -> str:
    return f"{who.path('crms')}/{connection_id}"


router = Router(
    path="/o/{org:str}/crms/{connection_id:str}",
    route_handlers=[show_mapping, save_mapping, show_dry_run, discover_fields],
    include_in_schema=False,
)
