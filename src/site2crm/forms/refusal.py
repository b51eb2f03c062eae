"""A refusal under `/f/`: a page for who looks at it in a browser, problem+json for scripts.

The visitor of somebody's website sees it, and perhaps in a frame there: no navigation, nothing to click but the
browser's own way back, so any website may frame it.
"""

from site2crm.core import front, security, templates
from site2crm.core.asgi import Scope, Send
from site2crm.core.errors import AppError
from site2crm.core.templates import Shell

_POLICY = b"default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'"


async def refuse(scope: Scope, send: Send, error: AppError) -> None:
    """Told as what the caller reads."""
    if not is_browser(scope):
        await front.problem(scope, send, error)
        return
    body = templates.render(
        "forms/refused.html",
        page=Shell(title=error.title),
        detail=error.detail,
        was_posted=scope["method"] == "POST",
        request_id=scope["state"].get("request_id", ""),
    )
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"content-security-policy", _POLICY),
        (b"x-robots-tag", b"noindex"),
        *((key.lower().encode(), value.encode()) for key, value in error.headers.items()),
    ]
    await front.respond(send, error.status, headers, body.encode())


def is_browser(scope: Scope) -> bool:
    """Somebody who goes to a page, not a script of theirs that asks."""
    mode = security.header(scope, b"sec-fetch-mode")
    return mode == "navigate" or (not mode and "text/html" in security.header(scope, b"accept"))
