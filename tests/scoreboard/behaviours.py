"""What CRMs, and what stands before them, have been seen to do; and where a lead waits meanwhile."""

import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from site2crm.demo.server import Fault
from tests.fakes.hubspot import HubSpotFake

WAITS = frozenset({"pending", "retrying"})
"""Tried again by itself. Some are only waiting their turn: after a few failures the CRM is left alone for a while."""
PARKED = frozenset({"parked"})
DELIVERED = frozenset({"delivered"})
OK = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BOMB = gzip.compress(bytes(50_000_000))


def _nothing(fake: HubSpotFake) -> None:
    """Nothing but the faults."""


@dataclass(frozen=True)
class Behaviour:
    name: str
    faults: Sequence[Fault] = ()
    meanwhile: frozenset[str] = WAITS
    prepare: Callable[[HubSpotFake], None] = field(default=_nothing)


def always(kind: str, **said: object) -> Fault:
    """Until it is mended."""
    return Fault(kind, count=-1, **said)  # type: ignore[arg-type]


def answers(status: int, body: object = None, **headers: str) -> Fault:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return always("status", status=status, body=b"" if body is None else body, headers=named)


def raw(text: str, drop: str = "") -> Fault:
    return always("raw", raw=text, drop=drop)


def _known_already(fake: HubSpotFake) -> None:
    """Every second of the people who will come is in the CRM already."""
    for number in range(0, 12, 2):
        fake.add_contact(email=f"p{number}@example.com", firstname="Known")


def _without_message(fake: HubSpotFake) -> None:
    fake.properties.pop("message", None)


def _as_html(fake: HubSpotFake) -> None:
    fake.content_type = "text/html; charset=utf-8"


NOT_FOUND = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": "resource not found"}
CONFLICT = {"status": "error", "category": "CONFLICT", "message": "Contact already exists."}

BEHAVIOURS = (
    Behaviour("429 with Retry-After", [always("status", status=429, headers={"Retry-After": "30"})]),
    Behaviour("429 without it", [always("status", status=429)]),
    Behaviour("429 with a Retry-After of nonsense", [always("status", status=429, headers={"Retry-After": "nan"})]),
    Behaviour("500", [always("status", status=500)]),
    Behaviour("500, and it has stored the contact", [always("status", status=500, effect=True)]),
    Behaviour("502 with a page of a proxy", [always("page", status=502)]),
    Behaviour("423, locked", [always("status", status=423)]),
    Behaviour("a page of maintenance, as 200", [always("page")]),
    Behaviour("200 without a body", [answers(200)]),
    Behaviour("204 without a body", [answers(204)]),
    Behaviour("half a body", [always("half")]),
    Behaviour("half a body, and it has stored the contact", [always("half", effect=True)]),
    Behaviour("the connection is reset", [always("reset")]),
    Behaviour("it is reset, and it has stored the contact", [always("reset", effect=True)]),
    Behaviour("no answer", [always("timeout")]),
    Behaviour("no answer, and it has stored the contact", [always("timeout", effect=True)]),
    Behaviour("a byte now and then", [raw(OK + "Content-Length: 100000\r\n\r\n", " ")]),
    Behaviour("a body without end", [raw(OK + "\r\n", "x" * 65_536)]),
    Behaviour("headers without end", [raw(OK, "X-More: and more\r\n" * 50)]),
    Behaviour("one huge header", [raw(OK + "X-Huge: " + "x" * 2_000_000 + "\r\n\r\n{}")]),
    Behaviour("100 Continue without end", [raw("", "HTTP/1.1 100 Continue\r\n\r\n")]),
    Behaviour("something that is no HTTP", [raw("SSH-2.0-OpenSSH_9.6\r\n")]),
    Behaviour("50 MB in 50 kB of gzip", [answers(200, BOMB, Content_Encoding="gzip")]),
    Behaviour("gzip that is none", [answers(200, b'{"id": "1"}', Content_Encoding="gzip")]),
    Behaviour("an encoding nobody asked for", [answers(200, b'{"id": "1"}', Content_Encoding="br")]),
    Behaviour("JSON that ends in the middle", [answers(200, b'{"id": "33451", "prop')]),
    Behaviour("JSON 200,000 deep", [answers(200, b"[" * 200_000 + b"]" * 200_000)]),
    Behaviour("an error inside a 200", [answers(200, {"status": "error", "message": "Try later", "category": "X"})]),
    Behaviour("an id that is not a number", [answers(200, b'{"id": NaN, "properties": {}}')]),
    Behaviour("an id that is null", [answers(200, {"id": None, "properties": {}})]),
    Behaviour("an id that is an object", [answers(200, {"id": {"value": "33451"}, "properties": {}})]),
    Behaviour("an id that is true", [answers(200, {"id": True, "properties": {}})]),
    Behaviour("404 for everything", [answers(404, NOT_FOUND)]),
    Behaviour("409 that names nobody", [answers(409, CONFLICT)], frozenset({"dead"})),
    Behaviour("409 for who is there already", [Fault("status", 12, 404, body=NOT_FOUND, path="@")], DELIVERED, _known_already),
    Behaviour("401, until there is a new token", [answers(401, {"category": "INVALID_AUTHENTICATION"})], PARKED),
    Behaviour("403, a right is missing", [answers(403, {"category": "MISSING_SCOPES"})], PARKED),
    Behaviour("a redirect to the metadata service", [answers(302, Location="http://169.254.169.254/latest/")], PARKED),
    Behaviour("a property that nobody knows any more", [], DELIVERED, _without_message),
    Behaviour("JSON that calls itself HTML", [], DELIVERED, _as_html),
)  # fmt: skip
