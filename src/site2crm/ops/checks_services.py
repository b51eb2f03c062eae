"""Checks of the servers beside ours that the configuration names: Redis, the S3 store, the mail server."""

import asyncio
from collections.abc import AsyncIterator

from site2crm.core import shared_limits
from site2crm.core.backup.errors import BackupFailed
from site2crm.core.backup.remote import Remote
from site2crm.core.config import Settings
from site2crm.core.mail import Mailer, MailFailed
from site2crm.ops.findings import Finding, failed, ok, warning


async def around(settings: Settings) -> AsyncIterator[Finding]:
    """What is not configured is no finding, but for mail: without it nobody can be invited."""
    if settings.limits.url:
        yield await _limits(settings)
    if settings.backup.s3:
        yield await asyncio.to_thread(_store, settings)
    yield await _mail(settings)


async def _limits(settings: Settings) -> Finding:
    fault = await shared_limits.probe(settings.limits.url)
    if fault:
        cure = "start it, and look at [limits] url; meanwhile each node counts for itself"
        return failed("limits", f"the Redis of [limits] url cannot be used: {fault}", cure)
    return ok("limits", "Redis answers and can be written")


def _store(settings: Settings) -> Finding:
    """With a file of its own, because who may list may not always write; it is removed."""
    try:
        remote = Remote(settings, retries=0)
        remote.probe()
    except BackupFailed as error:
        cure = (
            "correct [backup] s3, s3_region, s3_key_id and s3_secret; the key must be allowed to put, get, list, delete"
        )
        return failed("backup store", str(error), cure)
    return ok("backup store", f"{remote.place} can be written, listed and read")


async def _mail(settings: Settings) -> Finding:
    mailer = Mailer(settings.mail)
    if mailer.prints:
        return warning(
            "mail", "mail is printed and reaches nobody", "set [mail] url and from: invites and alarms need it"
        )
    try:
        await mailer.check()
    except MailFailed as error:
        return failed("mail", str(error), "correct [mail] url; many providers block port 25: use 587 or 465")
    return ok("mail", "the mail server takes our user and password")
