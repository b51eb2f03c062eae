"""Where a log-in may lead to."""

import pytest

from site2crm.app import Instance
from site2crm.core.redirects import local_path
from tests.accounts.browser import browser, log_in
from tests.cast import Person


@pytest.mark.parametrize(
    ("target", "goes_to"),
    [
        ("/o/acme/leads?q=a%20b", "/o/acme/leads?q=a%20b"),
        ("/invite/abc", "/invite/abc"),
        ("/größe", "/gr%C3%B6%C3%9Fe"),
        ("", "/o"),
        (None, "/o"),
        ("//evil.example", "/o"),
        ("/\\evil.example", "/o"),
        ("\\\\evil.example", "/o"),
        ("/\t/evil.example", "/o"),
        ("/\n/evil.example", "/o"),
        (" //evil.example", "/o"),
        ("http://evil.example", "/o"),
        ("http:evil.example", "/o"),
        ("javascript:alert(1)", "/o"),
        ("evil.example", "/o"),
        ("/" + "a" * 3000, "/o"),
    ],
)
def test_only_paths_of_this_host_are_followed(target: str | None, goes_to: str) -> None:
    assert local_path(target) == goes_to


@pytest.mark.parametrize(("target", "goes_to"), [("/o/acme/settings/keys", "/o/acme/settings/keys"), ("//evil", "/o")])
async def test_the_login_form_follows_them(instance: Instance, alice: Person, target: str, goes_to: str) -> None:
    async with browser(instance) as web:
        answer = await log_in(web, alice.email, next=target)

    assert (answer.status_code, answer.headers["location"]) == (303, goes_to)
