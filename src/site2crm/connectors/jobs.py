"""Mail to those who can mend a connection, and the first question to a CRM that the configuration file declares."""

from site2crm.accounts import queries as accounts
from site2crm.connectors import queries, service
from site2crm.connectors.declaring import EXAMINE
from site2crm.connectors.errors import ConnectionNotFound
from site2crm.connectors.health import TELL_PARKED
from site2crm.connectors.registry import KINDS
from site2crm.connectors.states import State
from site2crm.core import alarms, log, templates
from site2crm.core.machine import Machine
from site2crm.core.mail import MailFailed
from site2crm.core.queue import JobContext, enqueue, job

_log = log.get("connectors")
_MENDERS = ("owner", "admin")
_TELL_ONE = "connectors.tell_one"


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
        "kind": KINDS[connection.kind].label,
        "connection": connection.name,
        "reason": connection.state_reason,
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


JOBS = (tell_parked, tell_one, examine)
