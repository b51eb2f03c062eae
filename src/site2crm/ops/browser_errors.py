"""`POST /t/error`: what went wrong in somebody's browser, from our own script; no script of a third party is needed.

Into the log, and to Sentry where it is configured; scrubbed, few, and only from our own pages.
"""

from urllib.parse import urlsplit

from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Struct

from site2crm.core import log, ratelimit, reporting, security
from site2crm.core.access import public
from site2crm.core.errors import TooLarge
from site2crm.core.machine import Machine
from site2crm.core.reserved import SEGMENTS
from site2crm.core.web import AnyRequest

LARGEST = 8_192
PER_NETWORK = 5
IN_ALL = 30
WINDOW_S = 60
TOKENS_FOLLOW = frozenset({"setup", "invite", "reset", "confirm", "unsubscribe", "s", "f"})
"""Below these a path holds what opens something."""

_log = log.get("browser")


class BrowserError(Struct):
    message: str
    source: str = ""
    line: int = 0
    column: int = 0
    stack: str = ""
    page: str = ""


@post(security.BROWSER_ERRORS, opt=public(), status_code=204, include_in_schema=False)
async def report(request: AnyRequest, machine: NamedDependency[Machine], data: JSONBody[BrowserError]) -> None:
    """Taken or not, the browser is told the same; another website's page is refused before (core/front.py)."""
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) > LARGEST:
        raise TooLarge(f"At most {LARGEST // 1024} KiB, with its length.")
    shared = ratelimit.network(request.scope["state"]["address"])
    here = machine.limits.take(f"browser errors {shared}", limit=PER_NETWORK, per_s=WINDOW_S)
    if not here.allowed or not machine.limits.take("browser errors", limit=IN_ALL, per_s=WINDOW_S).allowed:
        return
    message, stack = reporting.scrub(data.message), reporting.scrub(data.stack)
    where = f"{urlsplit(data.source).path[-80:]}:{data.line}:{data.column}"
    page = _place(data.page)
    _log.warning("browser.error", text=message, where=where, page=page, stack=stack)
    reporting.browser(message, stack=stack, where=where, page=page)


def _place(page: str) -> str:
    """The path of a page of ours, without what may open something and without a query."""
    path = urlsplit(page).path[:200]
    first = path.split("/")[1] if path.count("/") else ""
    if first and first not in SEGMENTS and first != "o":
        return "unknown"
    return f"/{first}/..." if first in TOKENS_FOLLOW else path
