"""Any bytes with any content type become a tree or a 4xx, quickly."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from site2crm.forms.bodies import BodyRefused, parse
from site2crm.forms.normalise import normalise

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
MULTIPART = "multipart/form-data; boundary=x"
TYPES = [
    FORM,
    JSON,
    MULTIPART,
    "text/plain",
    "",
    ";;",
    "application/xml",
    FORM + "; charset=utf-7",
    JSON + "; charset=utf-16",
    "text/plain; charset=shift_jis",
]


def part(head: str, content: str) -> str:
    return f"--x\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n"


@pytest.mark.parametrize(
    ("body", "content_type", "tree"),
    [
        (b"a=1&b=2", FORM, {"a": "1", "b": "2"}),
        (b"a=1&a=2&a=3", FORM, {"a": ["1", "2", "3"]}),
        (b"a[]=1", FORM, {"a": ["1"]}),
        (b"a[b][c]=1&a[b][d]=2", FORM, {"a": {"b": {"c": "1", "d": "2"}}}),
        (b"a[b][]=1&a[b][]=2", FORM, {"a": {"b": ["1", "2"]}}),
        (b"a=1&a[b]=2", FORM, {"a": "1", "a[b]": "2"}),
        (b"a[=1&]b=2&[c]=3", FORM, {"a[": "1", "]b": "2", "[c]": "3"}),
        (b"a=b=c&&d", FORM, {"a": "b=c", "d": ""}),
        (b"a=%zz%4", FORM, {"a": "%zz%4"}),
        (b"n=Zo%E9", FORM, {"n": "Zoé"}),
        (b"n=Zo\xc3\xa9", FORM, {"n": "Zoé"}),
        (b"n=%93x%94", FORM + "; charset=iso-8859-1", {"n": "“x”"}),
        (b"_charset_=windows-1251&n=%C0", FORM, {"_charset_": "windows-1251", "n": "А"}),
        (b"n=%8C%A9%96%7B", FORM + "; charset=Shift_JIS", {"n": "見本"}),
        (b"a=x%00y", FORM, {"a": "xy"}),
        (b'{"a":1,"a":2}', JSON, {"a": "2"}),
        (b'{"a":1.10,"b":12345678901234567890123,"c":true,"d":null,"e":-0.0}', JSON, {"a": "1.10", "b": "12345678901234567890123", "c": "true", "d": None, "e": "-0.0"}),
        (b'\xef\xbb\xbf{"a":"x"}', JSON, {"a": "x"}),
        ('{"a":"é"}'.encode("utf-16"), JSON, {"a": "é"}),
        (b'{"a":"\xe9"}', JSON, {"a": "é"}),
        (b'{"a":"x\ny"}', JSON, {"a": "x\ny"}),
        (b'{"a":"\\u0000x","\\ud800":1}', JSON, {"a": "x", "\ufffd": "1"}),
        (b'{"a":1}', FORM, {"a": "1"}),
        (b"{not json}=1", FORM, {"{not json}": "1"}),
        (b'{"a":1}', "text/plain", {"a": "1"}),
        (b"Name: Ada\r\nNote: a\r\nb", "text/plain", {"Name": "Ada", "Note": "a\nb"}),
        (b"just a sentence", "text/plain", {"message": "just a sentence"}),
        ((part('name="a"', "1") + part('name="f"; filename="C:\\\\cv.pdf"', "x" * 12_000) + "--x--").encode(), MULTIPART, {"a": "1", "f": "cv.pdf (12 KB)"}),
        ((part('name="f"; filename=""', "") + "--x--").encode(), MULTIPART, {"f": ""}),
        ((part('name="a[b]"', "1") + "--x--").encode(), "", {"a": {"b": "1"}}),
    ],
)  # fmt: skip
def test_bodies_become_trees(body: bytes, content_type: str, tree: Any) -> None:
    assert parse(body, content_type) == tree


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"", FORM, 400),
        (b" \r\n", JSON, 400),
        (b"[" * 200_000, JSON, 400),
        (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, JSON, 400),
        (b"[" * 40 + b"]" * 40, JSON, 400),
        (b"[" * 200_000, FORM, 400),
        (b"name=Ada", JSON, 400),
        (b'{"a":', JSON, 400),
        (b"&".join(b"f%d=1" % i for i in range(10_000)), FORM, 413),
        (json.dumps({f"f{i}": i for i in range(10_000)}).encode(), JSON, 413),
        (json.dumps([[i] for i in range(10_000)]).encode(), JSON, 413),
        ((part('name="a"', "1") * 10_000 + "--x--").encode(), MULTIPART, 413),
        ("\n".join(f"f{i}: 1" for i in range(10_000)).encode(), "text/plain", 413),
        (b"a=1", MULTIPART, 400),
        (b"a=1", "multipart/form-data", 400),
        (part('name="a"', "1").encode(), MULTIPART, 400),
        (b"<a/>", "application/xml", 415),
        (b"\x89PNG", "image/png", 415),
        (b"\x1f\x8b\x08", JSON, 415),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(body: bytes, content_type: str, status: int) -> None:
    with pytest.raises(BodyRefused) as refused:
        parse(body, content_type)

    assert refused.value.status == status
    assert refused.value.detail


@given(st.binary(max_size=2_000), st.sampled_from(TYPES))
@settings(max_examples=300, deadline=1_000)
def test_any_bytes_are_a_lead_or_a_refusal(body: bytes, content_type: str) -> None:
    try:
        normalise(body, content_type)
    except BodyRefused as refused:
        assert 400 <= refused.status < 500


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.sampled_from(["a@b.example", "+12025550143", "I agree"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["name", "email", "label", "value", "fields", "type", "field", "data", "first", "phone", "options", "definition", "context", "form"]) | st.text(max_size=8), inner, max_size=5),
    max_leaves=25,
)  # fmt: skip


@given(_JSON)
@settings(max_examples=300, deadline=1_000)
def test_any_json_is_a_lead_or_a_refusal(value: Any) -> None:
    try:
        lead = normalise(json.dumps(value).encode(), JSON)
    except BodyRefused as refused:
        assert 400 <= refused.status < 500
    else:
        assert lead.kind in ("lead", "needs_review", "spam", "test")


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=40)), max_size=8))
@settings(max_examples=200, deadline=1_000)
def test_no_posted_text_breaks_a_plain_form(pairs: list[tuple[str, str]]) -> None:
    text = "&".join(f"{key}={value}" for key, value in [*pairs, ("email", "ada@example.com")])
    try:
        normalise(text.encode("utf-8", "surrogatepass"), FORM)
    except BodyRefused as refused:
        assert 400 <= refused.status < 500


@pytest.mark.parametrize(
    "body",
    [
        b"a\n" * 300_000,
        b"name=" + b"Dr. " * 300_000,
        b"email=" + b"a@" * 500_000,
        b"phone=" + b"1-" * 500_000,
        b"a" + b"[b]" * 300_000 + b"=1",
        b"x=" + b"a b, " * 200_000,
        ("×" * 500_000).encode(),
    ],
)
@pytest.mark.timeout(60)
@pytest.mark.parametrize("content_type", [FORM, "text/plain"])
def test_a_megabyte_of_anything_is_read_in_no_time(body: bytes, content_type: str) -> None:
    assert normalise(body, content_type).kind == "needs_review"
