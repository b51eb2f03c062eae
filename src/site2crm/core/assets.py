"""Static files, from memory, under a URL that changes when any of them changes.

One hash for the whole tree (not one a file), so that a relative URL inside a stylesheet or a module stays right and
everything may be cached for ever. `css/app.css` and `js/app.js` are put together here, which stands in for a build:
the stylesheets in the order of their layers, the modules each in a block of its own (so their names do not meet).
"""

import functools
import gzip
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import msgspec

from site2crm.core import resources

PREFIX = "/static/"
STYLES_FIRST = ("tokens.css", "base.css", "layout.css", "components.css")
STYLES_ALONE = frozenset({"hosted.css"})  # pages on other people's sites load only this one

_FOREVER = "public, max-age=31536000, immutable"
_BRIEFLY = "public, max-age=300"  # a URL without a hash, or with the one of an earlier release
_HASHED = re.compile(r"([0-9a-f]{12})/(.+)", re.DOTALL)
_COMMENT = re.compile(rb"/\*(?!!).*?\*/", re.DOTALL)
_INDENT = re.compile(rb"\s*\n\s*")
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
}
_COMPRESSED_ALREADY = frozenset({".woff2", ".png"})

Headers = list[tuple[str, str]]
Answer = tuple[int, Headers, bytes]


class File(msgspec.Struct, frozen=True):
    """One file in memory, as it is and compressed."""

    body: bytes
    gzipped: bytes | None
    kind: str
    etag: str


class Assets(msgspec.Struct, frozen=True):
    """Every file by its path below `static/`, and the hash of all of them."""

    files: dict[str, File]
    version: str


def asset(path: str) -> str:
    """The URL of a static file: `css/app.css` -> `/static/<hash>/css/app.css`. KeyError if there is none."""
    loaded = current()
    if path not in loaded.files:
        raise KeyError(f"no static file {path!r}")
    return f"{PREFIX}{loaded.version}/{path}"


def serve(path: str, *, accept_encoding: str = "", if_none_match: str = "") -> Answer:
    """Answer a request for `/static/...`: status, headers, body. Only what was loaded exists, so `..` finds nothing."""
    loaded = current()
    version, name = _split(path.removeprefix(PREFIX))
    file = loaded.files.get(name)
    if file is None:
        return 404, [("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store")], b"Not found\n"
    headers: Headers = [
        ("content-type", file.kind),
        ("cache-control", _FOREVER if version == loaded.version else _BRIEFLY),
        ("etag", file.etag),
        ("vary", "accept-encoding"),
        ("x-content-type-options", "nosniff"),
    ]
    if file.etag in if_none_match or if_none_match == "*":
        return 304, headers, b""
    if file.gzipped is not None and "gzip" in accept_encoding:
        return 200, [*headers, ("content-encoding", "gzip")], file.gzipped
    return 200, headers, file.body


@functools.cache
def current() -> Assets:
    """The files of this installation, read at first use."""
    return load(resources.static())


def load(folder: Path) -> Assets:
    """Read a folder of static files, put the bundles together, compress and hash."""
    bodies = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }
    bodies["css/app.css"] = _styles(bodies)
    bodies["js/app.js"] = _modules(bodies)
    digest = hashlib.sha256()
    for name in sorted(bodies):
        digest.update(name.encode() + b"\0" + bodies[name])
    return Assets({name: _file(name, body) for name, body in bodies.items()}, digest.hexdigest()[:12])


def _styles(bodies: dict[str, bytes]) -> bytes:
    others = sorted(_in(bodies, "css", ".css") - STYLES_ALONE - set(STYLES_FIRST))
    parts = [bodies.get(f"css/{name}", b"") for name in (*STYLES_FIRST, *others)]
    return _squeeze(b"\n".join(parts))


def _modules(bodies: dict[str, bytes]) -> bytes:
    names = sorted(_in(bodies, "js", ".js"))
    return b"\n".join(b"{\n" + bodies[f"js/{name}"].strip() + b"\n}" for name in names)


def _in(bodies: Iterable[str], folder: str, suffix: str) -> set[str]:
    """Names directly in a folder; what is deeper is loaded by the page that needs it."""
    paths = map(PurePosixPath, bodies)
    return {path.name for path in paths if path.parent.as_posix() == folder and path.suffix == suffix}


def _squeeze(css: bytes) -> bytes:
    return _INDENT.sub(b"\n", _COMMENT.sub(b"", css)).strip()


def _file(name: str, body: bytes) -> File:
    suffix = PurePosixPath(name).suffix
    body = _squeeze(body) if suffix == ".css" else body
    small = None if suffix in _COMPRESSED_ALREADY else gzip.compress(body, 9, mtime=0)
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    return File(body, small, _TYPES.get(suffix, "text/plain; charset=utf-8"), etag)


def _split(path: str) -> tuple[str, str]:
    match = _HASHED.fullmatch(path)
    return (match[1], match[2]) if match else ("", path)
