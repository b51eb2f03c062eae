"""Where a link may lead."""

import pytest

from site2crm.core.errors import Invalid
from site2crm.links import destinations

OWN = "https://go.acme.example"


def checked(url: str, base_url: str = OWN) -> str:
    return destinations.checked(url, base_url=base_url)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://www.example.com/offer?a=1&b=%20#top", "https://www.example.com/offer?a=1&b=%20#top"),
        ("http://example.com", "http://example.com"),
        ("  https://example.com/x  ", "https://example.com/x"),
        ("HTTPS://Example.COM/Path", "https://example.com/Path"),
        ("https://example.com:443/", "https://example.com/"),
        ("http://example.com:8080/", "http://example.com:8080/"),
        ("https://bücher.example/straße?q=ü#ß", "https://xn--bcher-kva.example/stra%C3%9Fe?q=%C3%BC#%C3%9F"),
        ("https://example.com/100%", "https://example.com/100%"),
        ('https://example.com/?q="<x>"', "https://example.com/?q=%22%3Cx%3E%22"),
        ("http://[2001:DB8::1]:8000/x", "http://[2001:db8::1]:8000/x"),
        ("http://127.0.0.1:3000/", "http://127.0.0.1:3000/"),
        ("https://example.com/a@b", "https://example.com/a@b"),
        ("https://example.com?next=//evil.example", "https://example.com?next=//evil.example"),
        ("https://example.com./x", "https://example.com/x"),
    ],
)
def test_an_address_is_kept_in_one_spelling(given: str, kept: str) -> None:
    assert checked(given) == kept


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "whole address"),
        ("   ", "whole address"),
        ("javascript:alert(1)", "begin with https://"),
        ("JavaScript:alert(1)//https://example.com", "begin with https://"),
        ("java\tscript:alert(1)", "U+0009"),
        ("\x01javascript:alert(1)", "U+0001"),
        ("data:text/html,<script>alert(1)</script>", "begin with https://"),
        ("vbscript:x", "begin with https://"),
        ("file:///etc/passwd", "begin with https://"),
        ("ftp://example.com/", "begin with https://"),
        ("blob:https://example.com/x", "begin with https://"),
        ("mailto:ada@example.com", "begin with https://"),
        ("example.com/offer", "begin with https://"),
        ("localhost:8080/x", "begin with https://"),
        ("//evil.example/x", "Begin with https://"),
        ("/offer", "Begin with https://"),
        ("\\\\evil.example\\x", "backslash"),
        ("https:\\\\evil.example", "backslash"),
        ("https://example.com\\@evil.example", "backslash"),
        ("https://example.com/\nSet-Cookie: a=b", "spaces"),
        ("https://example.com/\n", "U+000A"),
        ("https://example.com/\r\nX:y", "U+000D"),
        ("https://exa\tmple.com/", "U+0009"),
        ("https://example.com/\x00", "U+0000"),
        ("https://example.com/\x7f", "U+007F"),
        ("https://example.com/\u2028", "U+2028"),
        ("https://example.com/\u202egpj.exe", "U+202E"),
        ("https://exam\u200bple.com/", "U+200B"),
        ("https://example.com/\u00a0", "U+00A0"),
        ("https://example.com/\ud800", "U+D800"),
        ("https://example.com/a b", "%20"),
        ("https://user@example.com/", "@"),
        ("https://user:secret@example.com/", "@"),
        ("https://www.paypal.com@evil.example/", "@"),
        ("https://", "host is missing"),
        ("https:///path", "host is missing"),
        ("https:example.com", "host is missing"),
        ("https:/example.com", "host is missing"),
        ("https://?q=1", "host is missing"),
        ("https://:8080/", "host is missing"),
        ("https://example.com:99999/", "port"),
        ("https://example.com:port/", "port"),
        ("https://[::1/", "port"),
        ("https://ex%61mple.com/", "host name"),
        ("https://a..b/", "host name"),
        ("https://.example.com/", "host name"),
        ("https://" + "a" * 64 + ".example/", "host name"),
        ("https://" + "a." * 200 + "example/", "host name"),
        ("https://exa<mple.com/", "host name"),
        ("http://2130706433/", "host name"),
        ("http://0x7f000001/", "host name"),
        ("http://127.1/", "host name"),
        ("http://0177.0.0.1/", "host name"),
        ("https://example.com/" + "x" * 9_000, "8,192"),
        ("https://example.com/" + "x" * 100_000, "8,192"),
        ("https://example.com/" + "ü" * 3_000, "8,192"),
    ],
)
def test_what_browsers_read_in_more_than_one_way_is_refused_with_the_cure(url: str, words: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked(url)

    [error] = refused.value.errors
    assert error.field == "url"
    assert words in error.message


@pytest.mark.parametrize(
    "url",
    [
        "https://go.acme.example/spring",
        "https://GO.ACME.EXAMPLE./spring",
        "https://go.acme.example:443/spring?x=1#y",
        "https://go.acme.example/spring/",
        "https://go.acme.example//spring",
        "https://go.acme.example/%73pring",
        "https://go.acme.example/login/../spring",
        "https://go.acme.example/f/%2e%2e/spring",
        "https://go.acme.example/./spring",
    ],
)
def test_a_short_link_of_our_own_would_be_a_circle(url: str) -> None:
    with pytest.raises(Invalid, match="circle"):
        checked(url)


@pytest.mark.parametrize(
    "url", ["https://go.acme.example/f/k3fm2p9x", "https://go.acme.example/", "https://go.acme.example/help/links"]
)
def test_our_own_forms_and_pages_are_fine(url: str) -> None:
    assert checked(url) == url


def test_another_name_of_this_machine_is_the_same_server_only_on_its_port() -> None:
    with pytest.raises(Invalid, match="circle"):
        checked("http://localhost:8080/spring", "http://127.0.0.1:8080")
    assert checked("http://localhost:3000/spring", "http://127.0.0.1:8080") == "http://localhost:3000/spring"


def test_utm_is_added_where_the_destination_has_none_of_that_name() -> None:
    utm = {"utm_source": "mail & more", "utm_medium": "e-mail"}

    made = destinations.with_utm("https://example.com/x?utm_medium=print&a=1#top", utm)

    assert made == "https://example.com/x?utm_medium=print&a=1&utm_source=mail%20%26%20more#top"


def test_a_query_goes_before_the_fragment() -> None:
    assert destinations.with_query("https://example.com#a?b", "x=1") == "https://example.com?x=1#a?b"
    assert destinations.with_query("https://example.com/?", "x=1") == "https://example.com/?x=1"
