"""What the visitor of an archived link sees: that it has ended, and nothing of the dashboard."""

from functools import lru_cache

from site2crm.core import front, security, templates
from site2crm.core.asgi import Scope, Send
from site2crm.core.templates import Shell

_POLICY = b"default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
_HEADERS = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", _POLICY),
    (b"cache-control", b"private, no-store"),
    (b"x-robots-tag", b"noindex"),
)


async def answer(scope: Scope, send: Send, *, secure: bool) -> None:
    """410 with a page, whoever asks."""
    headers = [*_HEADERS, *security.BASE_HEADERS, *((security.HSTS,) if secure else ())]
    await front.respond(send, 410, headers, b"" if scope["method"] == "HEAD" else _page())


@lru_cache(maxsize=1)
def _page() -> bytes:
    return templates.render("links/gone.html", page=Shell(title="This link has ended")).encode()
