"""What must stay apart: other networks, other hosts, other orgs. The tests know every way in; here they are counted."""

from pathlib import Path

from tests.core.url_forms import LOOPBACK_FORMS, WHOLE_URLS
from tests.scoreboard.pytests import Tried, trials
from tests.scoreboard.score import Score

SSRF_AND_HOSTS = (
    "tests/security/test_ssrf.py",
    "tests/core/test_http.py",
    "tests/security/test_sockets.py::test_another_host_is_not_served",
    "tests/security/test_sockets.py::test_an_absolute_address_in_the_first_line_leads_nowhere_else",
    "tests/security/test_sockets.py::test_links_are_made_from_the_configuration_not_from_the_host",
    "tests/security/test_sockets.py::test_two_lengths_smuggle_no_second_request",
    "tests/security/test_sockets.py::test_a_made_up_forwarded_for_is_no_new_visitor",
    "tests/security/test_sockets.py::test_a_made_up_forwarded_for_guesses_no_more_passwords",
)
TENANTS = ("tests/security/test_tenants.py", "tests/security/test_browser_rules.py", "tests/security/test_secrets.py")


def run_ssrf_and_hosts(folder: Path, seed: int) -> Score:
    tried = trials(folder, *SSRF_AND_HOSTS)
    return _score(tried, f"{len(LOOPBACK_FORMS) + len(WHOLE_URLS)} ways to write an address inside; {_told(tried)}")


def run_tenants(folder: Path, seed: int) -> Score:
    tried = trials(folder, *TENANTS)
    return _score(tried, f"every route as every role, across orgs; {_told(tried)}")


def _told(tried: Tried) -> str:
    return f"{tried.passed} sets, {tried.requests:,} requests"


def _score(tried: Tried, what: str) -> Score:
    """A test that fails here says that somebody got where they must not be."""
    return Score(what, crossed=len(tried.failed), errors=tried.server_errors, problems=tried.failed)
