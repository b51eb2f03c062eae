"""Three vendors name at run time where they are to be called. These go there, and nowhere else is a secret sent.

No call gets through: the resolver notes which name was looked up, and its answer is an address that is refused.
"""

from collections.abc import AsyncIterator

import pytest

from site2crm.connectors import registry
from site2crm.connectors.contract import Context, CrmError, ErrorClass
from site2crm.connectors.grants import App, AuthContext, Grant
from site2crm.connectors.registry import KINDS
from site2crm.core.http import Outbound
from tests.connectors.connector_cases import Granted, ada

APP = App("an-id", "a-secret")
BACK = "https://app.example.com/oauth/callback"
TOLD = {
    "zoho": ("api_domain", "https://www.zohoapis.in", {"data_centre": "eu"}),
    "salesforce": ("instance_url", "https://acme.my.salesforce.com", {"target": "lead"}),
    "pipedrive": ("api_domain", "https://acme.pipedrive.com", {"company": "other"}),
}


class Names:
    """Those that were looked up."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.http = Outbound(5.0, resolver=self._resolve)

    def _resolve(self, host: str) -> list[str]:
        self.asked.append(host)
        return ["127.0.0.1"]


@pytest.fixture
async def names() -> AsyncIterator[Names]:
    found = Names()
    yield found
    await found.http.aclose()


@pytest.mark.parametrize("kind", TOLD)
async def test_the_api_is_called_where_the_sign_in_said(names: Names, kind: str) -> None:
    name, url, settings = TOLD[kind]
    grants = Granted(Grant("access-token-0000", extra={name: url}))
    context = Context("con_1", names.http, settings=settings, grants=grants)
    [written] = await registry.connect(kind, context).upsert_people([ada()])
    assert written.error is not None
    assert written.error.kind is ErrorClass.CONFIG
    assert set(names.asked) == {url.removeprefix("https://")}


async def test_a_code_is_exchanged_at_the_server_that_gave_it(names: Names) -> None:
    """Whoever starts at the wrong data centre is led to their own; the code is worth nothing at the first one."""
    assert KINDS["zoho"].auth is not None
    zoho = KINDS["zoho"].auth(AuthContext(names.http, APP, {"data_centre": "eu"}))
    callback = {"code": "c", "location": "in", "accounts-server": "https://accounts.zoho.in"}
    with pytest.raises(CrmError):
        await zoho.exchange(callback, redirect_uri=BACK, verifier="v")
    assert set(names.asked) == {"accounts.zoho.in"}


async def test_a_grant_is_renewed_and_revoked_at_the_server_that_gave_it(names: Names) -> None:
    assert KINDS["zoho"].auth is not None
    zoho = KINDS["zoho"].auth(AuthContext(names.http, APP, {"data_centre": "eu"}))
    grant = Grant("a", "r", extra={"accounts_server": "https://accounts.zoho.com.au"})
    for act in (zoho.refresh, zoho.revoke):
        with pytest.raises(CrmError):
            await act(grant)
    assert set(names.asked) == {"accounts.zoho.com.au"}


@pytest.mark.parametrize(
    ("login", "domain", "host"),
    [
        ("production", "", "login.salesforce.com"),
        ("sandbox", "", "test.salesforce.com"),
        ("my_domain", "https://acme.lightning.force.com/", "acme.my.salesforce.com"),
    ],
)
async def test_salesforce_is_signed_in_to_where_the_admin_says(
    names: Names, login: str, domain: str, host: str
) -> None:
    assert KINDS["salesforce"].auth is not None
    auth = KINDS["salesforce"].auth(AuthContext(names.http, APP, {"login": login, "domain": domain}))
    with pytest.raises(CrmError):
        await auth.exchange({"code": "c"}, redirect_uri=BACK, verifier="v")
    assert set(names.asked) == {host}
