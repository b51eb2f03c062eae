"""Mail, against a real SMTP server."""

import asyncio
import ssl
import subprocess
from email import message_from_bytes
from email.policy import default

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from site2crm.core import config
from site2crm.core.mail import Mailer, MailFailed


class Sink:
    """Keeps what arrives; answers as it was told."""

    def __init__(self, reply="250 OK"):
        self.reply, self.received = reply, []

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        if self.reply.startswith("55"):
            return self.reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        self.received.append((envelope, message_from_bytes(envelope.content, policy=default), session))
        return self.reply


@pytest.fixture
async def smtp():
    """Starts SMTP servers on free ports; stops them at the end."""
    running = []

    async def start(sink, *, smtps=None, **options):
        make = lambda: SMTP(sink, enable_SMTPUTF8=True, **options)  # noqa: E731
        server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0, ssl=smtps)
        running.append(server)
        return server.sockets[0].getsockname()[1]

    yield start
    for server in running:
        server.close()


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", folder / "key", "-out", folder / "cert"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    return context


def mailer(url, sender="Größe & Söhne <post@acme.example>"):
    return Mailer(config.load(None, env={}, flags={"mail.url": url, "mail.from": sender}).mail)


async def test_a_mail_arrives_whole(smtp):
    sink = Sink()
    port = await smtp(sink)
    text = "Grüße,\n\n.a line with a dot\n" + "https://x.example/" + "y" * 1200 + "\n"
    await mailer(f"smtp://127.0.0.1:{port}").send("ann@acme.example", "Größe: 5 €", text, "<p>Grüße</p>")
    ((envelope, message, _),) = sink.received
    assert envelope.rcpt_tos == ["ann@acme.example"]
    assert envelope.mail_from == "post@acme.example"
    assert message["subject"] == "Größe: 5 €"
    assert message["from"] == "Größe & Söhne <post@acme.example>"
    assert message["auto-submitted"] == "auto-generated"
    assert message["message-id"].endswith("@acme.example>")
    assert message.get_body(("plain",)).get_content().replace("\r\n", "\n") == text
    assert "<p>Grüße</p>" in message.get_body(("html",)).get_content()


@pytest.mark.parametrize(
    ("to", "subject"),
    [
        ("ann@acme.example\r\nBcc: eve@evil.example", "Hello"),
        ("ann@acme.example, eve@evil.example", "Hello"),
        ("ann@acme.example>\r\nRCPT TO:<eve@evil.example", "Hello"),
        ("Ann <ann@acme.example>", "Hello"),
        ("ann@", "Hello"),
        ("ann@a..example", "Hello"),
        ("", "Hello"),
        ("ann@acme.example", "Hello\r\nBcc: eve@evil.example"),
        ("ann@acme.example", "Hello\nBcc: eve@evil.example"),
        ("ann@acme.example", "Hello\u2028there"),
    ],
)
async def test_no_header_and_no_recipient_can_be_smuggled_in(to, subject, smtp):
    sink = Sink()
    port = await smtp(sink)
    with pytest.raises(MailFailed) as caught:
        await mailer(f"smtp://127.0.0.1:{port}").send(to, subject, "text")
    assert not caught.value.temporary
    assert sink.received == []


async def test_an_international_domain_is_sent_in_its_ascii_form(smtp):
    sink = Sink()
    await mailer(f"smtp://127.0.0.1:{await smtp(sink)}").send("ann@bücher.example", "Hello", "text")
    assert sink.received[0][0].rcpt_tos == ["ann@xn--bcher-kva.example"]


async def test_starttls_is_used_when_it_is_offered(smtp, tls):
    sink = Sink()
    await mailer(f"smtp://localhost:{await smtp(sink, tls_context=tls, require_starttls=True)}").send(
        "a@b.example", "Hi", "text"
    )
    assert sink.received[0][2].ssl is not None


async def test_smtps_speaks_tls_from_the_first_byte_and_logs_in(smtp, tls):
    sink, seen = Sink(), []

    def authenticate(server, session, envelope, mechanism, data):
        seen.append((data.login, data.password))
        return AuthResult(success=True)

    port = await smtp(sink, smtps=tls, authenticator=authenticate, auth_require_tls=False)
    await mailer(f"smtps://me%40acme:p%40ss@127.0.0.1:{port}").send("a@b.example", "Hi", "text")
    assert seen == [(b"me@acme", b"p@ss")]
    assert len(sink.received) == 1


async def test_no_password_is_sent_in_plain_text_to_another_machine(smtp):
    seen = []
    port = await smtp(Sink(), authenticator=lambda *args: seen.append(args), auth_require_tls=False)
    with pytest.raises(MailFailed, match="smtps://"):
        await mailer(f"smtp://me:hunter2@127.1:{port}").send(
            "a@b.example", "Hi", "text"
        )  # resolves, is no loopback name
    assert seen == []


async def test_a_refused_password_says_so_without_repeating_it(smtp, tls):
    refuse = lambda *_: AuthResult(success=False, handled=False)  # noqa: E731
    port = await smtp(Sink(), smtps=tls, authenticator=refuse, auth_require_tls=False)
    with pytest.raises(MailFailed, match="refused user or password") as caught:
        await mailer(f"smtps://me:hunter2@127.0.0.1:{port}").send("a@b.example", "Hi", "text")
    assert "hunter2" not in str(caught.value)
    assert not caught.value.temporary


@pytest.mark.parametrize(
    ("reply", "temporary"), [("550 no such user", False), ("451 try later", True), ("554 spam", False)]
)
async def test_a_refusal_keeps_the_servers_words_and_says_whether_to_retry(reply, temporary, smtp):
    with pytest.raises(MailFailed, match=reply) as caught:
        await mailer(f"smtp://127.0.0.1:{await smtp(Sink(reply))}").send("a@b.example", "Hi", "text")
    assert caught.value.temporary is temporary


async def test_a_server_that_is_not_there_is_worth_another_attempt():
    with pytest.raises(MailFailed, match="could not be reached") as caught:
        await mailer("smtp://127.0.0.1:9").send("a@b.example", "Hi", "text")
    assert caught.value.temporary


async def test_by_default_the_mail_is_printed_with_its_links_in_one_piece(capsys):
    link = "https://leads.example/reset/" + "x" * 120
    printing = mailer("stdout", sender="")
    await printing.send("ann@acme.example", "Reset", f"Open\n{link}\x1b[2J")
    printed = capsys.readouterr().out
    assert printing.prints
    assert "--- mail to ann@acme.example: Reset" in printed
    assert link in printed
    assert "\x1b" not in printed
