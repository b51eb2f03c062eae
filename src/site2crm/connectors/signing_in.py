"""Signing in at a CRM: out with a state that works once, back with a code, and a connection made or mended of it.

The state is 256 random bits, kept as a digest for ten minutes, and bound: one that was begun in a browser ends in the
same login session; one that a program began ends in the browser of somebody who may connect CRMs in that org. So
nobody can be made to connect their CRM to a stranger's org, nor have a stranger's CRM connected to their own. PKCE's
verifier is sealed beside it; the address that the CRM leads back to comes from the configuration alone.
"""

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import UNSET, Struct
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import queries as accounts
from site2crm.connectors import apps, entering, granting, health, leaving, opening, service, views, words
from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.dealing import DealRule
from site2crm.connectors.entering import Entered, kind_named
from site2crm.connectors.errors import ConnectionNotFound, NoWayBack, SignInOver
from site2crm.connectors.grants import Grant
from site2crm.connectors.kinds import ConnectorKind, Way
from site2crm.connectors.models import Connection, SignIn
from site2crm.connectors.opening import Access, Budgets, Checked
from site2crm.connectors.owners import OwnerRule
from site2crm.connectors.ruling import FormMappingsIn, MappingIn
from site2crm.connectors.service import ConnectionIn
from site2crm.connectors.wire import is_host_of
from site2crm.core import crypto, log
from site2crm.core.access import OrgRef, Who
from site2crm.core.config_types import is_loopback
from site2crm.core.crypto import Unreadable
from site2crm.core.declared import books
from site2crm.core.errors import Invalid
from site2crm.core.machine import Machine
from site2crm.kit import clock

PATH = "/oauth/callback"
WRITE = "connections:write"
VALID = timedelta(minutes=10)
VERIFIER_BYTES = 48
LONGEST_ANSWER = 4_000
LONGEST_WORDS = 200
LONGEST_KEPT, MOST_KEPT = 200, 20

_log = log.get("connectors")


class Begun(Struct, frozen=True):
    """Where the browser goes, and until when it may come back."""

    authorize_url: str
    expires_at: datetime


class Returned(NamedTuple):
    """What became of it: the page that shows it, below the org, and what it says there."""

    org: OrgRef
    path: str
    text: str
    tone: str = "bad"


class Door(NamedTuple):
    """How a kind of CRM may be connected here, for the page that offers it."""

    way: Way
    """The one that suggests itself: signing in, where that needs no app of one's own."""
    app_is_set: bool
    back: str
    """What the app has to name as its redirect address; empty while there is `trouble`."""
    trouble: str = ""


class _Secrets(Struct):
    verifier: str
    entered: dict[str, str]


class _Draft(Struct):
    """Of a new connection, or of one that gets new access: then only `settings` count."""

    name: str = ""
    settings: dict[str, str] = {}
    form_ids: list[str] = []
    mapping: MappingIn | None = None
    form_mappings: FormMappingsIn = {}
    owner: OwnerRule = OwnerRule()
    deal: DealRule = DealRule()


class _Once:
    """The grant of somebody who has just come back: not stored yet, and too new to be refreshed."""

    def __init__(self, grant: Grant) -> None:
        self._grant = grant

    async def current(self) -> Grant:
        return self._grant

    async def renewed(self, stale: Grant) -> Grant:
        raise CrmError(ErrorClass.REAUTH, "The CRM refuses the access that it has just given.", code="refused_at_once")


def redirect_uri(machine: Machine) -> str:
    """Where the CRM leads back to. Raises NoWayBack where it could not, or where others would read the code."""
    root = machine.settings.base_url
    parts = urlsplit(root)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise NoWayBack(
            "A CRM leads back to an https address only. The operator sets it in site2crm.toml, under [server]: "
            'public_url = "https://..."; for a trial on one machine "http://localhost:8080" works with most.'
        )
    return root + PATH


def door(machine: Machine, kind: ConnectorKind, *, host: str) -> Door:
    """`host`: what the browser calls us, with which its session goes."""
    app_is_set = apps.operators(machine, kind.name) is not None
    way = kind.ways[0] if app_is_set or Way.KEY not in kind.ways else Way.KEY
    try:
        return Door(way, app_is_set, come_back_to(machine, host))
    except NoWayBack as error:
        return Door(way, app_is_set, "", error.detail)


def come_back_to(machine: Machine, host: str) -> str:
    """As `redirect_uri`, for a browser. Raises NoWayBack also if its session would not be known there."""
    root, back = machine.settings.base_url, redirect_uri(machine)
    if host.lower() != urlsplit(root).netloc.lower():
        raise NoWayBack(f"The CRM leads back to {root}, where you are not signed in. Open {root} and connect it there.")
    return back


async def begin(session: AsyncSession, machine: Machine, *, who: Who, data: ConnectionIn) -> Begun:
    """For a new connection. Raises Invalid naming `settings.<name>`; NoWayBack."""
    kind = kind_named(data.kind)
    entered = entering.read(kind, data.settings, way=_way_in(kind))
    await service.check_draft(machine, who.org_id, data)
    given = data.mapping if isinstance(data.mapping, list | dict) else None
    draft = _Draft(data.name.strip(), entered.settings, data.form_ids, given, data.form_mappings, data.owner, data.deal)
    return await _begun(session, machine, who=who, kind=kind, draft=draft, secrets=entered.secrets)


async def begin_again(
    session: AsyncSession, machine: Machine, *, who: Who, connection_id: str, settings: Mapping[str, str]
) -> Begun:
    """For a connection that there is; a setting that is left out or empty stays. Raises as `begin`."""
    async with machine.session() as reading:
        connection = await service.get(reading, who.org_id, connection_id)
        if settings or connection.way != Way.OAUTH:
            await books.expect_free(reading, connection_id, ["settings"])
    kind = kind_named(connection.kind)
    entered = entering.read(kind, settings, way=_way_in(kind), known=service.known(machine, connection))
    draft = _Draft(settings=entered.settings)
    return await _begun(
        session, machine, who=who, kind=kind, draft=draft, secrets=entered.secrets, connection_id=connection_id
    )


async def finish(machine: Machine, who: Who, query: Mapping[str, str]) -> Returned:
    """Somebody has come back. Raises SignInOver for a state that is not theirs to use, or not any more."""
    begun, org, entered, verifier = await _redeemed(machine, who, query.get("state", ""))
    kind = kind_named(begun.kind)
    draft = msgspec.convert(begun.draft, _Draft)
    path = f"/crms/{begun.connection_id}" if begun.connection_id else _anew(kind, draft)
    if fault := _said_no(kind, query):
        return Returned(org, path, fault)
    try:
        await entering.permitted(machine, kind, entered.settings)
        auth = apps.auth_of(machine, kind, settings=entered.settings, secrets=entered.secrets)
        grant = await auth.exchange(query, redirect_uri=begun.redirect_uri, verifier=verifier)
        if begun.connection_id:
            return await _mended(machine, org, begun.connection_id, entered, grant)
        return await _made(machine, org, kind, entered, grant, draft)
    except CrmError as error:
        return Returned(org, path, words.refusal(kind, opening.refused(error)).message)
    except Invalid as refused:
        return Returned(org, path, refused.detail)
    except ConnectionNotFound:
        return Returned(org, "/crms", "This connection was removed meanwhile.")


def _anew(kind: ConnectorKind, draft: _Draft) -> str:
    """The form again, with what was typed there; the secret is entered once more."""
    settings = {f"settings.{name}": value for name, value in draft.settings.items()}
    typed = {name: value for name, value in {**settings, "name": draft.name}.items() if 0 < len(value) <= LONGEST_KEPT}
    pairs = {"way": Way.OAUTH.value, **typed, "form_ids": draft.form_ids[:MOST_KEPT]}
    return f"/crms/new/{kind.name}?{urlencode(pairs, doseq=True)}"


async def forget_expired(session: AsyncSession) -> None:
    await session.execute(delete(SignIn).where(SignIn.expires_at < clock.now()))


def _way_in(kind: ConnectorKind) -> Way:
    if Way.OAUTH not in kind.ways:
        raise Invalid.field("kind", f"{kind.label} has no sign-in: enter its key (POST /api/v1/connections).")
    return Way.OAUTH


async def _begun(
    session: AsyncSession,
    machine: Machine,
    *,
    who: Who,
    kind: ConnectorKind,
    draft: _Draft,
    secrets: Mapping[str, str],
    connection_id: str | None = None,
) -> Begun:
    back, state, verifier = redirect_uri(machine), crypto.token(), crypto.token(VERIFIER_BYTES)
    await entering.permitted(machine, kind, draft.settings)
    url = _authorize_url(machine, kind, draft.settings, secrets, state=state, back=back, challenge=_challenge(verifier))
    now, digest = clock.now(), crypto.digest(state)
    sealed = msgspec.json.encode(_Secrets(verifier, dict(secrets)))
    session.add(
        SignIn(
            state_hash=digest,
            org_id=who.org_id,
            user_id=who.user_id,
            session_hash=who.session_hash or None,
            kind=kind.name,
            connection_id=connection_id,
            sealed=machine.vault.seal(sealed, aad=_aad(who.org_id, digest)),
            draft=msgspec.to_builtins(draft),
            redirect_uri=back,
            created_at=now,
            expires_at=now + VALID,
        )
    )
    await session.flush()
    return Begun(url, now + VALID)


def _authorize_url(
    machine: Machine,
    kind: ConnectorKind,
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    state: str,
    back: str,
    challenge: str,
) -> str:
    """Raises Invalid, also where a setting would lead the browser to somebody else's page."""
    try:
        auth = apps.auth_of(machine, kind, settings=settings, secrets=secrets)
        url = auth.authorize_url(state=state, redirect_uri=back, challenge=challenge)
    except CrmError as error:
        raise entering.refused(error) from error
    if not machine.settings.connector_url(kind.name) and not is_host_of(url, kind.hosts):
        raise Invalid.field("settings", f"{urlsplit(url).hostname} is not a host of {kind.label}.")
    return url


async def _redeemed(machine: Machine, who: Who, state: str) -> tuple[SignIn, OrgRef, Entered, str]:
    """Used up by whoever brings it: one that somebody else has got hold of is worth nothing any more."""
    digest = crypto.digest(state)
    async with machine.session() as session:
        begun = await session.scalar(delete(SignIn).where(SignIn.state_hash == digest).returning(SignIn))
        if begun is None:
            raise SignInOver
        rights = await accounts.rights_in(session, begun.org_id, user_id=who.user_id or "")
        org = await accounts.org(session, begun.org_id)
    is_theirs = begun.session_hash is None or (begun.session_hash, begun.user_id) == (who.session_hash, who.user_id)
    if begun.expires_at < clock.now() or not is_theirs or WRITE not in rights:
        raise SignInOver
    try:
        opened = machine.vault.open(begun.sealed, aad=_aad(begun.org_id, digest))
    except Unreadable as error:
        raise SignInOver from error
    secrets = msgspec.json.decode(opened, type=_Secrets)
    entered = Entered(settings=begun.draft["settings"], secrets=secrets.entered, made={})
    return begun, OrgRef(id=org.id, slug=org.slug, name=org.name, time_zone=org.time_zone), entered, secrets.verifier


def _said_no(kind: ConnectorKind, query: Mapping[str, str]) -> str:
    """Why there is no code, in a sentence; empty: there is one."""
    if error := query.get("error"):
        if error.endswith("_denied"):  # RFC 6749 names it access_denied; not all keep to that
            return f"You did not allow it at {kind.label}, so nothing was changed."
        said = " ".join(query.get("error_description", "").split())[:LONGEST_WORDS] or error[:LONGEST_WORDS]
        return f"{kind.label} did not let you sign in: {words.sentence(said)} Nothing was changed."
    return "" if query.get("code") else f"{kind.label} led back without a code. Try again; nothing was changed."


async def _made(
    machine: Machine, org: OrgRef, kind: ConnectorKind, entered: Entered, grant: Grant, draft: _Draft
) -> Returned:
    access = service.access_for(org, kind, entered, grants=_Once(grant))
    checked = await opening.examine(opening.connect(machine, access), opening.sales_side(machine, access))
    if checked.account is None:
        return Returned(org, _anew(kind, draft), words.refusal(kind, checked).message)
    given = draft.mapping if draft.mapping is not None else UNSET
    data = ConnectionIn(
        kind=kind.name,
        name=draft.name,
        mapping=given,
        form_mappings=draft.form_mappings,
        owner=draft.owner,
        deal=draft.deal,
        form_ids=draft.form_ids,
    )
    async with machine.session() as session:
        made = await service.saved(session, machine, data=data, access=access, checked=checked, made={})
        _granted(machine, made.connection, grant)
    _log.info("connection.signed_in", connection=made.connection.id, kind=kind.name)
    text = f"{_connected(checked)} {views.what_next(kind.name)}"
    return Returned(org, f"/crms/{made.connection.id}", text, "good")


async def _mended(machine: Machine, org: OrgRef, connection_id: str, entered: Entered, grant: Grant) -> Returned:
    path = f"/crms/{connection_id}"
    async with machine.session() as reading:
        before = await service.get(reading, org.id, connection_id)
    kind = kind_named(before.kind)
    access = Access(
        org_id=org.id,
        connection_id=connection_id,
        kind=before.kind,
        settings=entered.settings,
        secrets=entered.secrets,
        account=before.account,
        grants=_Once(grant),
    )
    machine.get(Budgets).forget(connection_id)
    checked = await opening.examine(opening.connect(machine, access), opening.sales_side(machine, access))
    if checked.account is None:
        text = f"{kind.label} said no: {words.sentence(checked.error)} Nothing was changed."
        return Returned(org, path, text)
    async with machine.session() as session:
        connection = await service.locked(session, org.id, connection_id)
        if fault := service.strange(connection, checked):
            return Returned(org, path, fault)
        left = leaving.grant_enqueued if connection.way == Way.OAUTH else leaving.enqueued
        await left(session, connection)
        service.enter(machine, connection, access)
        _granted(machine, connection, grant)
        await health.note(session, connection, checked)
    _log.info("connection.signed_in", connection=connection_id, kind=kind.name)
    waits = " Waiting leads go out now." if connection.state == "active" else ""
    return Returned(org, path, f"{connection.name} is connected.{waits}", "good")


def _granted(machine: Machine, connection: Connection, grant: Grant) -> None:
    connection.way, connection.granted_at = Way.OAUTH, clock.now()
    granting.put(machine, connection, grant)


def _connected(checked: Checked) -> str:
    found = len(checked.fields)
    name = checked.account.name if checked.account else ""
    return f"Connected to {name}: {found} {'property' if found == 1 else 'properties'} found."


def _challenge(verifier: str) -> str:
    """PKCE's S256 (RFC 7636, 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _aad(org_id: str, digest: str) -> str:
    return f"{org_id}|sign_in|sealed|{digest}"
