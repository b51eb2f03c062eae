"""Mail, printed by default, else sent by SMTP. MailFailed says in plain words why it stayed, and whether to retry."""

import asyncio
import re
import sys
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, make_msgid, parseaddr

import aiosmtplib

from site2crm.core import log
from site2crm.core.config_schema import Mail
from site2crm.core.config_types import MailServer, is_loopback
from site2crm.core.config_values import mail_server
from site2crm.kit import clock

TIMEOUT_S = 20
NOBODY = "site2crm@localhost"

# One address and nothing that a header or an SMTP command could read as more
_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\\x00-\x1f\x7f]{1,64}@[^\s@<>,;:\"()\[\]\\\x00-\x1f\x7f]{1,253}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")
_HAS_NO_PLACE_IN_TEXT = re.compile(r"[\ud800-\udfff]")


class MailFailed(Exception):
    """Not sent, in plain words; `temporary` says whether a later attempt may succeed."""

    def __init__(self, why: str, *, temporary: bool) -> None:
        super().__init__(why)
        self.temporary = temporary


class Mailer:
    def __init__(self, settings: Mail) -> None:
        url = settings.url.reveal()
        self._server = None if url == "stdout" else mail_server(url)
        name, address = parseaddr(settings.sender)
        self._sender = _address(address or NOBODY, name=name)

    @property
    def prints(self) -> bool:
        """Whether nobody receives mail, so that a page should show its links for copying."""
        return self._server is None

    async def send(self, to: str, subject: str, text: str, html: str | None = None) -> None:
        message = self._message(to, subject, text, html)
        if self._server is None:
            _print(to, subject, text)
        else:
            await self._deliver(self._server, message)

    async def check(self) -> None:
        """Connect and log in; nothing is sent. Raises MailFailed."""
        if self._server is not None:
            await self._deliver(self._server, None)

    def _message(self, to: str, subject: str, text: str, html: str | None) -> EmailMessage:
        if _CONTROL.search(subject):
            raise MailFailed("the subject holds a line break or control character", temporary=False)
        message = EmailMessage(policy=SMTP_POLICY)
        message["From"] = self._sender
        message["To"] = _address(to)
        message["Subject"] = subject
        message["Date"] = format_datetime(clock.now())
        message["Message-ID"] = make_msgid(domain=self._sender.domain)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(_HAS_NO_PLACE_IN_TEXT.sub("?", text))
        if html is not None:
            message.add_alternative(_HAS_NO_PLACE_IN_TEXT.sub("?", html), subtype="html")
        return message

    async def _deliver(self, server: MailServer, message: EmailMessage | None) -> None:
        # A mail server on this machine often offers STARTTLS with a certificate that nobody signed.
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.tls,
            local_hostname=self._sender.domain,
            validate_certs=not is_loopback(server.host),
            timeout=TIMEOUT_S,
        )
        try:
            async with asyncio.timeout(3 * TIMEOUT_S), client:
                await _log_in(client, server)
                if message is not None:
                    await client.send_message(message)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise _failed(error, f"{server.host}:{server.port}") from error


async def _log_in(client: aiosmtplib.SMTP, server: MailServer) -> None:
    if not server.user:
        return
    if client.get_transport_info("sslcontext") is None and not is_loopback(server.host):
        why = f"{server.host} offers no TLS, so the password was not sent; write smtps:// in [mail] url"
        raise MailFailed(why, temporary=False)
    await client.login(server.user, server.password.reveal())


def _failed(error: Exception, server: str) -> MailFailed:
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return MailFailed(f"{server} refused user or password in [mail] url", temporary=False)
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        error = error.recipients[0]
    if isinstance(error, aiosmtplib.SMTPResponseException):
        words = log.inert(f"{error.code} {error.message}")[:300]
        return MailFailed(f"{server} answered {words}", temporary=error.code < 500)
    if isinstance(error, aiosmtplib.SMTPNotSupported):
        return MailFailed(f"{server} cannot do this: {log.inert(str(error))[:300]}", temporary=False)
    return MailFailed(f"{server} could not be reached ({type(error).__name__})", temporary=True)


def _address(written: str, *, name: str = "") -> Address:
    local, _, domain = written.rpartition("@")
    if not _ADDRESS.fullmatch(written) or _CONTROL.search(written) or _CONTROL.search(name):
        raise MailFailed(f"{log.inert(written)[:100]!r} is not one mail address", temporary=False)
    try:
        return Address(display_name=name, username=local, domain=domain.encode("idna").decode())
    except UnicodeError:
        raise MailFailed(f"{written[:100]!r} has no valid domain", temporary=False) from None


def _print(to: str, subject: str, text: str) -> None:
    body = "\n".join(f"    {log.inert(line)}" for line in text.splitlines())
    sys.stdout.write(f"\n--- mail to {to}: {subject}\n{body}\n---\n")
    sys.stdout.flush()
