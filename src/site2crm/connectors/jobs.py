"""Mail to those who can mend a connection, the first question to one that the configuration file declares, and what
sign-ins need now and then."""

from datetime import timedelta
from typing import Any

from site2crm.accounts import queries as accounts
from site2crm.connectors import health, leaving, queries, service, signing_in
from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.declaring import EXAMINE
from site2crm.connectors.errors import ConnectionNotFound
from site2crm.connectors.granting import Kept
from site2crm.connectors.health import TELL_PARKED
from site2crm.connectors.leaving import REVOKE, REVOKE_OLDER
from site2crm.connectors.models import Connection
from site2crm.connectors.registry import KINDS
from site2crm.connectors.states import State
from site2crm.core import alarms, log, templates
from site2crm.core.machine import Machine
from site2crm.core.mail import MailFailed
from site2crm.core.queue import Cron, JobContext, enqueue, enqueue_many, job
from site2crm.kit import clock

_log = log.get("connectors")
_MENDERS = ("owner", "admin")
_TELL_ONE = "connectors.tell_one"
IDLE = timedelta(days=6)
COMPARE = "connectors.compare"
APART_S = 2.0
TRIES = 60
"""Of leaving, with ten minutes between them in the end: about eight hours."""


@job(TELL_PARKED, timeout_s=30)
async def tell_parked(ctx: JobContext, *, org_id: str, connection_id: str) -> None:
    """One job for each owner and admin, so that one refused address does not make the others get it twice."""
    machine: Machine = ctx.machine
    async with machine.session() as session:
        members = (await accounts.members(session, org_id)).data
        for email in [member.email for member in members if member.role in _MENDERS]:
            key = f"{ctx.job_key}:{email}"
            await enqueue(session, _TELL_ONE, key=key, org_id=org_id, connection_id=connection_id, email=email)


@job(_TELL_ONE, timeout_s=90)
async def tell_one(ctx: JobContext, *, org_id: str, connection_id: str, email: str) -> None:
    """Nothing is sent if it was mended in the meantime."""
    machine: Machine = ctx.machine
    async with machine.session() as session:
        try:
            connection = await queries.get(session, org_id, connection_id)
        except ConnectionNotFound:
            return
        org = await accounts.org(session, org_id)
    if connection.state != State.PARKED:
        return
    values = {
        "subject": f"{org.name}: leads no longer reach {connection.name}",
        "org_name": org.name,
        "crm": queries.full_name(connection.kind, connection.name),
        "reason": queries.sentence(connection.state_reason),
        "action_label": "Reconnect",
        "action_url": machine.url(f"/o/{org.slug}/crms/{connection_id}"),
        "why": "You get this because you look after the CRMs of this organisation.",
    }
    text, html = (templates.render(f"connectors/parked_mail.{kind}", **values) for kind in ("txt", "html"))
    try:
        await machine.mailer.send(email, values["subject"], text, html)
    except MailFailed as error:
        if error.temporary:
            raise
        async with machine.session() as session:
            told = f"The mail about “{connection.name}” was not sent to {email}: {error}"
            await alarms.ring(session, org_id, code="mail_failed", subject=connection_id, text=told)
    else:
        _log.info("mail.sent", template="parked_mail", connection=connection_id)


@job(EXAMINE, timeout_s=300)
async def examine(ctx: JobContext, *, org_id: str, connection_id: str) -> None:
    """A refusal parks it, as the button Test does; nothing has to be tried again."""
    try:
        await service.test(ctx.machine, org_id, connection_id)
    except ConnectionNotFound:
        return


@job(REVOKE, timeout_s=90, retries=TRIES - 1)
async def revoke(ctx: JobContext, *, account: dict[str, str], **row: Any) -> None:
    """What a connection that was removed, or that has another way in now, left at the vendor."""
    was = Connection(id=row.pop("connection_id"), account=account, **row)
    await leaving.leave(ctx.machine, was, is_last_try=ctx.attempt >= TRIES)


@job(REVOKE_OLDER, timeout_s=90, retries=TRIES - 1)
async def revoke_older(ctx: JobContext, *, account: dict[str, str], **row: Any) -> None:
    """The grant of a connection that somebody has signed in for again."""
    was = Connection(id=row.pop("connection_id"), account=account, **row)
    await leaving.leave_grant(ctx.machine, was, is_last_try=ctx.attempt >= TRIES)


async def renew_idle(ctx: JobContext) -> None:
    """Some vendors let a refresh token die that nobody uses for weeks: each is used once a week at least."""
    machine: Machine = ctx.machine
    async with machine.session() as session:
        idle = await queries.idle_sign_ins(session, since=clock.now() - IDLE)
    for connection in idle:
        try:
            await Kept(machine, connection).refreshed()
        except CrmError as error:
            if error.kind in (ErrorClass.REAUTH, ErrorClass.CONFIG):
                async with machine.session() as session:
                    await health.park(session, connection.id, error.text)


async def forget_sign_ins(ctx: JobContext) -> None:
    async with ctx.machine.session() as session:
        await signing_in.forget_expired(session)


async def compare_all(ctx: JobContext) -> None:
    """In the night: has each CRM still got what our mappings name? One job for each, a few seconds apart."""
    machine: Machine = ctx.machine
    async with machine.session() as session:
        found = [ref for ref in await queries.everywhere(session) if ref.state == State.ACTIVE and _can_drift(ref.kind)]
        payloads = [
            (f"{COMPARE}:{ref.id}", clock.after(place * APART_S), {"org_id": ref.org_id, "connection_id": ref.id})
            for place, ref in enumerate(found)
        ]
        await enqueue_many(session, COMPARE, payloads)


@job(COMPARE, timeout_s=300)
async def compare(ctx: JobContext, *, org_id: str, connection_id: str) -> None:
    """What cannot be asked tonight is asked tomorrow night."""
    try:
        await service.look(ctx.machine, org_id, connection_id)
    except ConnectionNotFound:
        return


def _can_drift(kind: str) -> bool:
    return kind in KINDS and not KINDS[kind].caps.custom_key


JOBS = (tell_parked, tell_one, examine, revoke, revoke_older, compare)
CRONS = (
    Cron("connectors.renew_idle", function=renew_idle, every_s=6 * 3600, timeout_s=1800),
    Cron("connectors.forget_sign_ins", function=forget_sign_ins, every_s=3600),
    Cron("connectors.compare_all", function=compare_all, schedule="23 2 * * *", timeout_s=60),
)
