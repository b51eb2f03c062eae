"""Origins in one spelling, so that an allow-list compares strings."""

import pytest

from site2crm.kit.urls import host_of, is_http_url, origin


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://www.example.com/x?y#z", "https://www.example.com"),
        ("HTTPS://WWW.Example.COM:443", "https://www.example.com"),
        ("http://example.com:80/", "http://example.com"),
        ("http://example.com:8080/", "http://example.com:8080"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://example.com./", "https://example.com"),
        ("http://[2001:DB8::1]:8000/x", "http://[2001:db8::1]:8000"),
        ("https://www.example.com@evil.example/", "https://evil.example"),
        ("//example.com", None),
        ("/thanks", None),
        ("javascript:alert(1)", None),
        ("https:\\\\example.com", None),
        ("https://example.com\\@evil.example", None),
        ("https://exa mple.com", None),
        ("https://example.com:99999/", None),
        ("https://", None),
        ("java\nscript://x", None),
        ("https://[::1", None),
        ("", None),
    ],
)
def test_an_origin_has_one_spelling_or_none(url: str, expected: str | None) -> None:
    assert origin(url) == expected
    assert is_http_url(url) is (expected is not None)


def test_hosts_are_without_port_and_brackets() -> None:
    assert host_of("http://[::1]:8000/") == "::1"
    assert host_of("https://Example.com:8443") == "example.com"
