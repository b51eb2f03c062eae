"""Mail about accounts, and forgetting what has ended. No job's arguments open anything: see `invites._sent`."""

from sqlalchemy import select

from site2crm.accounts import invites, resets, sessions, tokens, users
from site2crm.accounts.models import Invite, Org
from site2crm.accounts.tokens import Purpose
from site2crm.core import alarms, crypto, log, templates
from site2crm.core.machine import Machine
from site2crm.core.mail import MailFailed
from site2crm.core.queue import Cron, JobContext, job

_log = log.get("accounts")


@job("accounts.send_reset", timeout_s=90)
async def send_reset(ctx: JobContext, *, email: str) -> None:
    """Enqueued for unknown addresses too, so that asking takes as long for them; they get nothing."""
    machine: Machine = ctx.machine
    async with machine.session() as session:
        user = await users.of_email(session, email)
        if user is None:
            return
        token = await tokens.issue(session, Purpose.RESET, user_id=user.id, valid_s=resets.VALID_S)
    await _send(machine, user.email, "reset", subject="Choose a new password", url=machine.url(f"/reset/{token}"))


@job("accounts.send_invite", timeout_s=90)
async def send_invite(ctx: JobContext, *, invite_id: str, sealed: str) -> None:
    """Nothing is sent if the invitation was used, withdrawn or sent again in the meantime."""
    machine: Machine = ctx.machine
    token = machine.vault.open(sealed, aad=invites.sealed_for(invite_id)).decode()
    async with machine.session() as session:
        statement = (
            select(Invite, Org)
            .join(Org, Org.id == Invite.org_id)
            .where(Invite.token_hash == crypto.digest(token), Invite.accepted_at.is_(None), Invite.revoked_at.is_(None))
        )
        found = (await session.execute(statement)).one_or_none()
    if found is None:
        return
    invite, org = found
    subject = f"Join {org.name} on Site2CRM"
    url = machine.url(f"/invite/{token}")
    await _send(machine, invite.email, "invite", subject=subject, url=url, org_name=org.name, role=invite.role)


async def forget_ended(ctx: JobContext) -> None:
    machine: Machine = ctx.machine
    async with machine.session() as session:
        await sessions.forget_ended(session, machine.settings.auth)
        await tokens.forget_expired(session)


JOBS = (send_reset, send_invite)
CRONS = (Cron("accounts.forget_ended", function=forget_ended, every_s=3600),)


async def _send(machine: Machine, to: str, template: str, *, subject: str, url: str, **context: object) -> None:
    values = {"subject": subject, "action_url": url, "org_name": "", **context}
    text, html = (templates.render(f"emails/{template}.{kind}", **values) for kind in ("txt", "html"))
    try:
        await machine.mailer.send(to, subject, text, html)
    except MailFailed as error:
        if error.temporary:
            raise
        async with machine.session() as session:
            await alarms.ring(
                session, alarms.INSTANCE, code="mail_failed", subject=template, text=f"A mail was not sent: {error}"
            )
    else:
        _log.info("mail.sent", template=template)
