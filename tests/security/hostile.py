"""What a hostile client sends: bodies, queries, ids, headers."""

import json
import os
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

T = TypeVar("T")

ALL = "SITE2CRM_TEST_ALL"
"""Set to anything, each route gets everything (`make soak`, a release); else every third, another third at each route."""
DEEP = 200_000
MIB = 1024 * 1024
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"


def some(things: Sequence[T], place: int) -> Sequence[T]:
    """What is sent to the route at this place of the list."""
    return things if os.environ.get(ALL) else things[place % 3 :: 3]


class Body(NamedTuple):
    name: str
    content: bytes
    content_type: str


def _form_part(name: bytes, value: bytes, extra: bytes = b"") -> bytes:
    return b'--x\r\nContent-Disposition: form-data; name="' + name + b'"' + extra + b"\r\n\r\n" + value + b"\r\n"


BODIES: Sequence[Body] = (
    Body("deep lists", b"[" * DEEP + b"]" * DEEP, JSON),
    Body("deep objects", b'{"a":' * 100_000 + b"1" + b"}" * 100_000, JSON),
    Body("deep list in a field", b'{"name":' + b"[" * DEEP + b"]" * DEEP + b"}", JSON),
    Body("deep and open", b"[" * DEEP, JSON),
    Body("not utf-8", b'{"name": "\xff\xfe\xfa"}', JSON),
    Body("half of a surrogate pair", b'{"name": "\\ud800", "email": "\\udfff@example.com"}', JSON),
    Body("null bytes", b'{"name": "a\\u0000b", "email": "\\u0000@example.com", "role": "\\u0000"}', JSON),
    Body("raw null bytes", b"\x00" * 1000, JSON),
    Body("10,000 fields", json.dumps({f"f{n}": n for n in range(10_000)}).encode(), JSON),
    Body("the same field twice", b'{"name": "a", "name": ["b"], "name": null}', JSON),
    Body("a huge string", json.dumps({"name": "x" * 900_000}).encode(), JSON),
    Body("a huge number", b'{"name": ' + b"9" * 5000 + b', "limit": 1e400}', JSON),
    Body("not a number", b'{"name": NaN, "limit": -Infinity}', JSON),
    Body("half of it", b'{"name": "a', JSON),
    Body("nothing", b"", JSON),
    Body("a list", b"[]", JSON),
    Body("null", b"null", JSON),
    Body("a string", b'"name"', JSON),
    Body(
        "wrong types", b'{"name": {}, "fields": 1, "settings": [], "scopes": {"a": 1}, "filter": "", "role": 7}', JSON
    ),
    Body("too large", b"x" * (MIB + 1), JSON),
    Body("too large a form", b"a=" + b"x" * (MIB + 1), FORM),
    Body("10,000 form fields", b"&".join(b"f%d=1" % n for n in range(10_000)), FORM),
    Body("form not utf-8", b"name=%ff%fe&email=%00&id=%ed%a0%80&slug=\xff", FORM),
    Body("form null bytes", b"name=a%00b&email=%00%00&role=%00&id=%00&settings.url=%00", FORM),
    Body("one field ten thousand times", b"&".join([b"id=x"] * 900), FORM),
    Body("broken percent signs", b"name=%&email=%zz&id=%2&%=%", FORM),
    Body("a huge field", b"name=" + b"x" * 900_000 + b"&email=" + b"y" * 100_000, FORM),
    Body("right to left", "name=\u202e\u2066&email=\u202e@example.com&slug=\u0430".encode(), FORM),
    Body("xml", b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "application/xml"),
    Body("yaml", b"!!python/object/apply:os.system ['true']", "application/yaml"),
    Body("msgpack", b"\xdf\xff\xff\xff\xff", "application/x-msgpack"),
    Body("multipart of nothing", b"", MULTIPART),
    Body("multipart broken", b"--x\r\nbroken", MULTIPART),
    Body("multipart without boundary", b"--x\r\n\r\n--x--", "multipart/form-data"),
    Body(
        "multipart with a file", _form_part(b"name", b"x", b'; filename="../../etc/passwd"') + b"--x--\r\n", MULTIPART
    ),
    Body("multipart of 2,000 parts", _form_part(b"id", b"x") * 2000 + b"--x--\r\n", MULTIPART),
    Body("a content type of nonsense", b"{}", "\xff;;;=/"),
    Body("a charset of nonsense", b'{"name": "a"}', "application/json; charset=rot-13"),
    Body("a form of a charset of nonsense", b"name=a", FORM + "; charset=../../x"),
)

QUERIES: Sequence[str] = (
    "limit=-1", "limit=0", "limit=201", "limit=99999999999999999999999999", "limit=1e3", "limit=x", "limit=", "limit=%00",
    "limit=1&limit=2", "limit=" + "9" * 5000, "limit=NaN", "limit=٣",
    "cursor=x", "cursor=%00", "cursor=%ff", "cursor=é", "cursor=W10", "cursor=" + "A" * 9000, "cursor=bnVsbA",
    "cursor=WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzIzOjU5IiwieCJd",  # ["0001-01-01T00:00:00+23:59","x"]
    "cursor=WyI5OTk5LTEyLTMxVDIzOjU5OjU5LTIzOjU5IiwieCJd",  # ["9999-12-31T23:59:59-23:59","x"]
    "cursor=WyIyMDI2LTAxLTAxVDAwOjAwOjAwIiwieCJd",  # a moment without a zone
    "cursor=WyIyMDI2LTAxLTAxVDAwOjAwOjAwWiIsIlx1MDAwMCJd",  # a null byte for an id
    "%", "%zz", "%2", "&&&&", "=", "a[b][c]=1", "?a=1", ";", "q=%F0%9F%92%A9", "q=%ED%A0%80", "q=%C0%80", "q=%00",
    "q=" + "x" * 20_000, "q=%22", "q=%22%20OR%20%22", "q=*", "q=NEAR(", "q=a%20AND", "q=-", "q=%27%3B--", "q=^a:b", "q=(", "q=%25_",
    "from=0001-01-01", "to=9999-12-31", "from=0001-01-01T00:00:00%2B14:00", "to=9999-12-31T23:59:59-14:00", "from=x",
    "from=%00", "to=2026-02-30", "since=0001-01-01T00:00:00%2B14:00", "until=9999-12-31T23:59:59-14:00", "since=1e999",
    "until=-99999999999999", "since=9" + "9" * 400,
    "form=%00", "form=%ff", "lead=" + "l" * 9000, "connection=%00", "status=%00", "status=x", "state=%00", "state=x",
    "sort=%00", "sort=x", "sort=activity&q=a", "archived=maybe", "archived=%00", "dry_run=x", "test=%ff", "email=%00",
    "id=%00", "id=" + "&id=".join(["x"] * 900), "next=//evil.example", "slug=%2e%2e%2f", "utm_source=%ff%00",
    "kind=%00", "kind=" + "k" * 9000, "form=&form=&form=", "q=a&q[]=b", "email=" + "é" * 2000,
)  # fmt: skip

IDS: Sequence[str] = (
    "x", "%00", "%ff", "%ED%A0%80", "%F0%9F%92%A9", "a" * 8000, "..%2f..%2fetc%2fpasswd", "%2e%2e", "'%20OR%201=1--", "0",
    "-1", "99999999999999999999999999999", "%25%32%66", "{x}", "*", "frm_%", "led_00000000000000000000000000", "%0d%0aX:y",
    "null", "undefined", "%e2%80%ae", "%5c", "a%2fb", ";a=b",
)  # fmt: skip
