"""Where to go after a form: only ever to a page of ours."""

from typing import Any
from urllib.parse import quote, urlsplit

from litestar import Request

HOME = "/o"
_LONGEST = 2000
_KEPT = "/?&=%#:+,;@!$'()*~-._[]"


def local_path(target: str | None, default: str = HOME) -> str:
    """`target` if it is a path on this host, else the default.

    Browsers read `\\` as `/` and drop tabs and line breaks, so `/\\evil` and `/<tab>/evil` are other hosts.
    """
    if not target or not target.startswith("/") or target.startswith("//") or len(target) > _LONGEST:
        return default
    if "\\" in target or any(character <= " " or character == "\x7f" for character in target):
        return default
    return quote(target, safe=_KEPT, errors="replace")


def back(request: Request[Any, Any, Any], default: str = HOME) -> str:
    """The page of ours that the request came from."""
    referer = urlsplit(request.headers.get("referer", ""))
    same_host = referer.netloc == request.headers.get("host")
    here = referer.path + (f"?{referer.query}" if referer.query else "")
    return local_path(here if same_host else None, default)
