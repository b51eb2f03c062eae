"""What a website posted, as a tree of texts: urlencoded, multipart, JSON or plain text, in whatever charset.

Nothing here knows what a field means. A body that cannot be read is a `BodyRefused` (4xx), never another error.
"""

from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import unquote_to_bytes

import multipart

from site2crm.forms import json_body
from site2crm.forms.charsets import codec_of, decoded
from site2crm.forms.tree import MAX_FIELDS, BodyRefused, Tree, plant

__all__ = ["BodyRefused", "Tree", "pairs_of_text", "parse"]

_MULTIPART = "multipart/form-data"
_URLENCODED = "application/x-www-form-urlencoded"
_NO_FORM = ("image/", "audio/", "video/", "font/", "model/", "application/pdf", "application/zip", "application/gzip")
_NO_FORM_SUFFIX = ("xml", "protobuf", "msgpack", "cbor", "octet-stream")
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
_MAX_PART_HEADER_BYTES = 8_192


def parse(body: bytes, content_type: str) -> Tree:
    """The tree of any body a form, a builder or an ad network sends."""
    kind, options = _declared(content_type[:500])
    if kind.startswith(_NO_FORM) or (kind.endswith(_NO_FORM_SUFFIX) and kind.startswith(("application/", "text/"))):
        raise BodyRefused(415, "unsupported-type", detail=f"A form is not sent as {kind}; use {_URLENCODED}.")
    if body.startswith(_COMPRESSED):
        raise BodyRefused(415, "unsupported-encoding", detail="The body is compressed; send it as it is.")
    if not body.strip():
        raise BodyRefused(400, "empty-body", detail="The body is empty.")
    codec = codec_of(options.get("charset", "utf-8"))
    if kind == _MULTIPART or (kind.startswith("multipart/") and "boundary" in options):
        return _multipart(body, options.get("boundary", ""), codec=codec)
    if kind == "application/json" or kind.endswith("+json"):
        return json_body.parse(body, codec)
    if kind == _URLENCODED:
        # `curl -d '{...}'` and many a fetch() say urlencoded and send JSON.
        return _json_if_it_is(body, codec) or _urlencoded(body, codec)
    return _sniffed(body, codec)


@lru_cache(maxsize=256)
def _declared(content_type: str) -> tuple[str, dict[str, str]]:
    try:
        kind, options = multipart.parse_options_header(content_type)
    except (ValueError, multipart.MultipartError):
        return "", {}
    return kind.strip().lower(), {name.lower(): value for name, value in options.items()}


def _sniffed(body: bytes, codec: str) -> Tree:
    """No type, text/plain (sendBeacon) or one unheard of: what it looks like."""
    tree = _json_if_it_is(body, codec)
    if tree is not None:
        return tree
    first, _, rest = body.lstrip().partition(b"\n")
    if first.startswith(b"--") and b"form-data" in rest[:200].lower():
        return _multipart(body.lstrip(), decoded(first.strip()[2:]), codec=codec)
    if b"=" in first and b"\n" not in body.strip() and b" " not in body.strip():
        return _urlencoded(body, codec)
    return _lines(decoded(body, codec).removeprefix("\ufeff"))


def _json_if_it_is(body: bytes, codec: str) -> Tree:
    start = body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start not in (b"{", b"["):
        return None
    try:
        return json_body.parse(body, codec)
    except BodyRefused as refused:
        if refused.code != "malformed-json":
            raise
        return None


def _urlencoded(body: bytes, codec: str) -> Tree:
    tree: dict[str, Tree] = {}
    for key, value in _pairs(body, codec):
        plant(tree, key, value)
    return tree


def pairs_of_text(text: str) -> Tree | None:
    """A whole form inside one field (Fluent Forms posts `data=<the form urlencoded again>`)."""
    try:
        return _urlencoded(text.encode("utf-8", "replace"), "utf-8")
    except BodyRefused:
        return None


def _pairs(body: bytes, codec: str) -> Iterator[tuple[str, str]]:
    if body.count(b"&") >= MAX_FIELDS:
        raise _too_many()
    if b"_charset_=" in body:  # HTML: the browser itself writes the page's charset into this field
        codec = codec_of(decoded(body.partition(b"_charset_=")[2][:40].partition(b"&")[0]))
    for pair in body.strip().split(b"&"):
        if pair:
            key, _, value = pair.partition(b"=")
            yield _unquoted(key, codec).strip(), _unquoted(value, codec)


def _unquoted(raw: bytes, codec: str) -> str:
    if b"+" in raw:
        raw = raw.replace(b"+", b" ")
    return decoded(unquote_to_bytes(raw) if b"%" in raw else raw, codec)


def _multipart(body: bytes, boundary: str, *, codec: str) -> Tree:
    tree: dict[str, Tree] = {}
    if not boundary or len(boundary) > 200 or not boundary.isascii():
        raise BodyRefused(400, "bad-multipart", detail="The Content-Type names no usable boundary.")
    parser = multipart.PushMultipartParser(
        boundary, header_charset=codec, max_segment_count=MAX_FIELDS, max_header_size=_MAX_PART_HEADER_BYTES
    )
    try:
        with parser:
            for name, value in _parts(parser, body, codec=codec):
                plant(tree, name, value)
    except multipart.ParserLimitReached:
        raise _too_many() from None
    except (multipart.MultipartError, UnicodeError, ValueError) as error:
        raise BodyRefused(400, "bad-multipart", detail=f"The multipart body is malformed: {error}.") from None
    return tree


def _parts(parser: multipart.PushMultipartParser, body: bytes, *, codec: str) -> Iterator[tuple[str, str]]:
    part: multipart.MultipartSegment | None = None
    chunks: list[bytes] = []
    for event in parser.parse(body):
        if isinstance(event, multipart.MultipartSegment):
            part, chunks = event, []
        elif event is not None:
            chunks.append(bytes(event))
        elif part is not None:
            yield (part.name or "").replace("\0", "").strip(), _part_text(part, b"".join(chunks), codec=codec)


def _part_text(part: multipart.MultipartSegment, content: bytes, *, codec: str) -> str:
    if part.filename is None:
        return decoded(content, codec_of(part.charset) if part.charset else codec)
    if not part.filename and not content:
        return ""  # a file input left alone
    name = part.filename.replace("\0", "").replace("\\", "/").rpartition("/")[2]
    return f"{name or 'file'} ({_size(len(content))})"


def _size(count: int) -> str:
    for unit, bytes_each in (("MB", 1_000_000), ("KB", 1_000)):
        if count >= bytes_each:
            return f"{count / bytes_each:.0f} {unit}"
    return f"{count} bytes"


def _lines(text: str) -> Tree:
    """`Name: Ada` or `name=Ada`, one a line; a line without a key continues the one above."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        name, value = _line(line)
        if name:
            found.append((name, [value]))
        elif found:
            found[-1][1].append(line)
        elif line.strip():
            found.append(("message", [line]))
        if len(found) > MAX_FIELDS:
            raise _too_many()
    tree: dict[str, Tree] = {}
    for name, lines in found:
        plant(tree, name, "\n".join(lines).strip())
    return tree


def _line(line: str) -> tuple[str, str]:
    for sign in ("=", ":", "："):
        name, found, value = line.partition(sign)
        if found and 0 < len(name.strip()) <= 60 and not value.startswith("//") and ":" not in name:
            return name.strip().strip("*-• "), value.strip()
    return "", ""


def _too_many() -> BodyRefused:
    return BodyRefused(413, "too-many-fields", detail=f"The body has more than {MAX_FIELDS:,} fields.")
