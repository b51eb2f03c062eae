"""What two files of pages show: the form of a new connection, and the page of one."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import copying, entering, health, queries, ruling, signing_in, views
from site2crm.connectors.entering import kind_named
from site2crm.connectors.errors import NotConnected
from site2crm.connectors.kinds import ConnectorKind, Way
from site2crm.connectors.models import Connection
from site2crm.connectors.registry import KINDS
from site2crm.connectors.signing_in import Door
from site2crm.core import feature, inputs, redirects, web
from site2crm.core.access import Who
from site2crm.core.declared import books
from site2crm.core.errors import FieldError, Invalid, NotFound
from site2crm.core.inputs import Fields
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest, Html
from site2crm.forms import queries as forms

ANYWAY = "anyway"
REFRESH_S = 15


class Draft(NamedTuple):
    """A connection that is not saved yet. `held`: its secrets, sealed; `made`: those that we made, to be shown.

    `way` None: the one that suggests itself.
    """

    fields: Fields
    errors: Sequence[FieldError] = ()
    held: str = ""
    made: Mapping[str, str] = {}
    may_be_saved: bool = False
    way: Way | None = None


def drafted(machine: Machine, org_id: str, kind: ConnectorKind, fields: Fields, *, way: Way, errors: Invalid) -> Draft:
    """What was typed, beside what was wrong with it: no secret has to be entered twice, but for one that is refused."""
    if isinstance(errors, NotConnected):
        sealed = entering.held(machine, org_id, kind.name, errors.secrets)
        return Draft(fields, errors.errors, sealed, errors.made, may_be_saved=True, way=way)
    typed = before_and_now(machine, org_id, kind.name, fields)
    wrong = {error.field for error in errors.errors}
    names = [each.name for each in kind.fields_of(way) if each.kind == "secret"]
    kept = {name: typed[name] for name in names if name in typed and f"settings.{name}" not in wrong}
    return Draft(fields, errors.errors, entering.held(machine, org_id, kind.name, kept) if kept else "", way=way)


def before_and_now(machine: Machine, org_id: str, kind: str, fields: Fields) -> dict[str, str]:
    """The settings that were entered, with the secrets that were handed back to be kept."""
    return {**entering.handed_back(machine, org_id, kind, fields.get("held", "")), **given(fields)}


async def offered(
    request: AnyRequest,
    session: AsyncSession,
    who: Who,
    *,
    kind: ConnectorKind,
    draft: Draft,
) -> Html:
    door = _door(request, kind)
    way = draft.way or door.way
    return await web.page(
        request,
        session,
        "connectors/new.html",
        title=f"Connect {kind.label}",
        status=422 if draft.errors else 200,
        kind=kind,
        settings=views.settings_of(
            kind, entered(draft.fields), is_new=not draft.held, way=way, app_is_set=door.app_is_set
        ),
        way=way,
        door=door,
        names=await forms.names(session, who.org_id),
        draft=draft,
        fields=draft.fields,
        chosen=draft.fields.lists.get("form_ids", ()) if draft.fields else (),
        errors=draft.errors,
        anyway=ANYWAY,
        **around(who),
    )


async def shown(
    request: AnyRequest,
    session: AsyncSession,
    who: Who,
    *,
    connection: Connection,
    fields: Fields | None = None,
    errors: Sequence[FieldError] = (),
) -> Html:
    assert who.org is not None
    kind, way = kind_named(connection.kind), Way(connection.way)
    door = _door(request, kind)
    values = {**connection.settings, **entered(fields or Fields())}
    return await web.page(
        request,
        session,
        "connectors/show.html",
        title=connection.name,
        status=422 if errors else 200,
        connection=connection,
        paused_until=health.paused_until(connection.paused_until),
        called=(fields or Fields()).get("name") or connection.name,
        kind=kind,
        way=way,
        door=door,
        cure=views.cure(connection.kind, connection.state_reason),
        lines=views.lines(connection),
        settings=views.settings_of(kind, values, is_new=False, way=way, app_is_set=door.app_is_set),
        other=views.settings_of_other(kind, entered(fields or Fields()), way=way, app_is_set=door.app_is_set),
        rules=views.rules(connection),
        names=await forms.names(session, who.org_id),
        panels=await feature.panels(session, who.org, "connection_page", connection.id),
        lock=await books.lock_of(session, connection.id),
        toml=copying.as_toml(connection, kind),
        push_url=_machine(request).url(f"/hooks/{connection.id}/records") if kind.caps.pushes else "",
        is_inbox=views.is_inbox(connection.kind),
        errors=errors,
        refresh_s=None if errors else REFRESH_S,
        url=url_of(who, connection.id),
        **around(who),
    )


def kind_of(name: str) -> ConnectorKind:
    if name not in KINDS:
        raise NotFound("This kind of CRM cannot be connected.")
    return KINDS[name]


def read(posted: Any) -> Fields:
    fields = inputs.read(posted)
    fields.setdefault("name", "")
    return fields


def name_in(fields: Fields, *, needed: bool = False) -> str:
    """Raises Invalid for one that is too long, or `needed` and not there."""
    name = ruling.named(fields.get("name", ""))
    if needed and not name:
        raise Invalid.field("name", "Give it a name.")
    if len(name) > ruling.LONGEST_NAME:
        raise Invalid.field("name", f"At most {ruling.LONGEST_NAME} characters.")
    return name


def given(fields: Fields) -> dict[str, str]:
    """The settings that were not left empty."""
    return {name: value for name, value in entered(fields).items() if value.strip()}


def entered(fields: Fields) -> dict[str, str]:
    return {name.removeprefix("settings."): value for name, value in fields.items() if name.startswith("settings.")}


def around(who: Who) -> dict[str, Any]:
    return {
        "base": base_of(who),
        "label": views.label,
        "sentence": views.sentence,
        "icon": views.icon,
        "forms_text": views.forms_text,
        "account_line": views.account_line,
    }


def base_of(who: Who) -> str:
    return who.path("crms")


def url_of(who: Who, connection_id: str) -> str:
    return f"{base_of(who)}/{connection_id}"


def place_of(request: AnyRequest, who: Who, connection_id: str) -> str:
    """Back to the dashboard that the button was on, else to the connection's own page."""
    came_from = redirects.back(request, "")
    boards = (base_of(who), queries.AGENCY)
    return came_from if came_from.partition("?")[0] in boards else url_of(who, connection_id)


def _door(request: AnyRequest, kind: ConnectorKind) -> Door:
    return signing_in.door(_machine(request), kind, host=request.headers.get("host", ""))


def _machine(request: AnyRequest) -> Machine:
    machine: Machine = request.scope["state"]["machine"]
    return machine
