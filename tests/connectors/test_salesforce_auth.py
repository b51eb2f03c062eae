"""Signing in to Salesforce: where to, with what, and what comes back."""

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.grants import App, AuthContext, Grant
from site2crm.connectors.kinds import Way
from site2crm.connectors.salesforce.auth import SalesforceAuth
from site2crm.connectors.salesforce.connector import Salesforce
from site2crm.connectors.salesforce.kind import SALESFORCE
from site2crm.connectors.salesforce.login import host_of
from site2crm.demo.server import Fault
from tests.connectors.connector_cases import Granted, context
from tests.connectors.salesforce_cases import error_of, fake, one, person
from tests.fakes.salesforce import CLIENT_ID, CLIENT_SECRET, INSTANCE_URL, SalesforceFake

__all__ = ["fake"]
BACK = "https://app.example.com/oauth/callback"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
APP = App(CLIENT_ID, CLIENT_SECRET)


@asynccontextmanager
async def signing_in(fake: SalesforceFake, **given: Any) -> AsyncIterator[SalesforceAuth]:
    async with context() as (opened, _):
        yield SalesforceAuth(AuthContext(**{"http": opened.http, "app": APP, "base_url": fake.url, **given}))


async def allowed(fake: SalesforceFake, auth: SalesforceAuth) -> dict[str, str]:
    """What the browser brings back after somebody said yes."""
    url = auth.authorize_url(state="s1", redirect_uri=BACK, challenge=CHALLENGE)
    async with context() as (opened, _):
        answer = await opened.http.request("GET", f"{url}&allow=1")
    assert answer.status == 302
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


async def granted(fake: SalesforceFake, auth: SalesforceAuth) -> Grant:
    callback = await allowed(fake, auth)
    assert callback["state"] == "s1"
    return await auth.exchange(callback, redirect_uri=BACK, verifier=VERIFIER)


async def refusal(fake: SalesforceFake, auth: SalesforceAuth, **given: Any) -> CrmError:
    callback = given.pop("callback", None) or await allowed(fake, auth)
    with pytest.raises(CrmError) as error:
        await auth.exchange(callback, **{"redirect_uri": BACK, "verifier": VERIFIER, **given})
    return error.value


async def test_the_sign_in_page_is_asked_with_pkce_and_our_scopes(fake: SalesforceFake) -> None:
    async with signing_in(fake, base_url=None, settings={"login": "sandbox"}) as auth:
        parts = urlsplit(auth.authorize_url(state="s1", redirect_uri=BACK, challenge=CHALLENGE))
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "test.salesforce.com", "/services/oauth2/authorize")
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert query["scope"] == "api refresh_token openid"
    assert (query["response_type"], query["code_challenge"], query["code_challenge_method"]) == (
        "code",
        CHALLENGE,
        "S256",
    )
    assert (query["client_id"], query["redirect_uri"], query["state"]) == (CLIENT_ID, BACK, "s1")


async def test_people_see_a_page_with_a_way_on(fake: SalesforceFake) -> None:
    async with signing_in(fake) as auth, context() as (opened, _):
        url = auth.authorize_url(state="s1", redirect_uri=BACK, challenge=CHALLENGE)
        page = await opened.http.request("GET", url)
    assert (page.status, b"Allow</a>" in page.content) == (200, True)


async def test_a_code_becomes_a_grant_that_works(fake: SalesforceFake) -> None:
    async with signing_in(fake) as auth:
        grant = await granted(fake, auth)
    assert (grant.expires_at, grant.scopes) == (None, {"api", "refresh_token", "openid"})
    assert grant.extra["instance_url"] == INSTANCE_URL
    assert grant.extra["organization_id"] == fake.records.organization_id
    assert (grant.extra["user_id"], bool(grant.refresh)) == (fake.records.user_id, True)
    assert (await one(fake, person(), grants=Granted(grant))).created


async def test_a_code_is_good_once(fake: SalesforceFake) -> None:
    async with signing_in(fake) as auth:
        callback = await allowed(fake, auth)
        await auth.exchange(callback, redirect_uri=BACK, verifier=VERIFIER)
        error = await refusal(fake, auth, callback=callback)
    assert (error.kind, "expired authorization code" in error.text) == (ErrorClass.REAUTH, True)


async def test_somebody_elses_verifier_is_refused(fake: SalesforceFake) -> None:
    async with signing_in(fake) as auth:
        assert (await refusal(fake, auth, verifier="w" * 64)).kind is ErrorClass.REAUTH


async def test_another_way_back_is_refused(fake: SalesforceFake) -> None:
    async with signing_in(fake) as auth:
        error = await refusal(fake, auth, redirect_uri=f"{BACK}/2")
    assert (error.kind, error.code) == (ErrorClass.CONFIG, "redirect_uri_mismatch")


@pytest.mark.parametrize(
    ("app", "setting"), [(App("nonsense", CLIENT_SECRET), "client_id"), (App(CLIENT_ID, "nonsense"), "client_secret")]
)
async def test_a_wrong_app_names_the_setting(fake: SalesforceFake, app: App, setting: str) -> None:
    async with signing_in(fake) as right, signing_in(fake, app=app) as wrong:
        error = await refusal(fake, wrong, callback=await allowed(fake, right))
    assert (error.kind, error.field) == (ErrorClass.CONFIG, setting)


@pytest.mark.parametrize("app", [App("", "x"), App("x", ""), App("two words", "x"), App("x", "päss"), App("a\nb", "x")])
async def test_what_cannot_be_an_app_is_refused_at_the_form(fake: SalesforceFake, app: App) -> None:
    with pytest.raises(CrmError) as error:
        async with signing_in(fake, app=app):
            pass
    assert error.value.kind is ErrorClass.CONFIG
    assert error.value.field in ("client_id", "client_secret")


async def test_a_refresh_keeps_the_refresh_token(fake: SalesforceFake) -> None:
    async with signing_in(fake) as auth:
        first = await granted(fake, auth)
        second = await auth.refresh(first)
    assert (second.refresh, second.access != first.access) == (first.refresh, True)


async def test_a_rotated_refresh_token_is_taken_and_the_old_one_is_dead(fake: SalesforceFake) -> None:
    fake.sign_in.rotates = True
    async with signing_in(fake) as auth:
        first = await granted(fake, auth)
        second = await auth.refresh(first)
        assert second.refresh != first.refresh
        await auth.refresh(second)
        with pytest.raises(CrmError) as error:
            await auth.refresh(first)
    assert error.value.kind is ErrorClass.REAUTH


async def test_the_instance_is_taken_anew_at_each_refresh(fake: SalesforceFake) -> None:
    async with signing_in(fake) as auth:
        first = await granted(fake, auth)
        fake.sign_in.instance_url = "https://renamed.my.salesforce.com"
        second = await auth.refresh(first)
    assert second.extra["instance_url"] == "https://renamed.my.salesforce.com"
    assert second.extra["user_id"] == first.extra["user_id"]


@pytest.mark.parametrize(
    "host", ["https://evil.example", "https://x.salesforce.com.evil.example", "", "http://a.my.salesforce.com"]
)
async def test_an_instance_elsewhere_is_refused(fake: SalesforceFake, host: str) -> None:
    async with signing_in(fake) as auth:
        fake.sign_in.instance_url = host
        error = await refusal(fake, auth)
    assert (error.kind, error.code) == (ErrorClass.CONFIG, "foreign_host")


async def test_a_grant_that_was_taken_back_needs_a_new_sign_in(fake: SalesforceFake) -> None:
    async with signing_in(fake) as auth:
        grant = await granted(fake, auth)
        await auth.revoke(grant)
        await auth.revoke(grant)
        with pytest.raises(CrmError) as error:
            await auth.refresh(grant)
    assert (error.value.kind, error.value.code) == (ErrorClass.REAUTH, "invalid_grant")
    assert "expired access/refresh token" in error.value.text
    assert error_of(await one(fake, person(), grants=Granted(grant))).kind is ErrorClass.REAUTH


@pytest.mark.parametrize("text", ["user hasn't approved this consumer", "ip restricted", "inactive user"])
async def test_every_lost_grant_is_told_in_its_own_words(fake: SalesforceFake, text: str) -> None:
    async with signing_in(fake) as auth:
        grant = await granted(fake, auth)
        body = {"error": "invalid_grant", "error_description": text}
        fake.faults.append(Fault("status", status=400, body=body))
        with pytest.raises(CrmError, match=text) as error:
            await auth.refresh(grant)
    assert error.value.kind is ErrorClass.REAUTH


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault("status", status=503, body=b"<html>Maintenance</html>"), ErrorClass.RETRY),
        (Fault("page"), ErrorClass.RETRY),
        (Fault("half"), ErrorClass.RETRY),
        (Fault("reset"), ErrorClass.RETRY),
        (Fault("status", status=429, body={"error": "rate"}, headers={"Retry-After": "7"}), ErrorClass.THROTTLE),
        (Fault("status", status=200, body={"error": "odd"}), ErrorClass.RETRY),
        (Fault("status", status=400, body={"error": "odd"}), ErrorClass.CONFIG),
    ],
    ids=str,
)
async def test_a_refresh_that_fails_for_now_keeps_the_grant(
    fake: SalesforceFake, fault: Fault, expected: ErrorClass
) -> None:
    async with signing_in(fake) as auth:
        grant = await granted(fake, auth)
        fake.faults.append(fault)
        with pytest.raises(CrmError) as error:
            await auth.refresh(grant)
        assert error.value.kind is expected
        assert (await auth.refresh(grant)).access


async def test_a_grant_without_a_refresh_token_needs_a_new_sign_in(fake: SalesforceFake) -> None:
    async with signing_in(fake) as auth:
        with pytest.raises(CrmError) as error:
            await auth.refresh(Grant("a"))
    assert error.value.kind is ErrorClass.REAUTH


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        ({}, "login.salesforce.com"),
        ({"login": "production", "domain": "acme.my.salesforce.com"}, "login.salesforce.com"),
        ({"login": "sandbox"}, "test.salesforce.com"),
        ({"login": "my_domain", "domain": "acme"}, "acme.my.salesforce.com"),
        ({"login": "my_domain", "domain": " https://ACME.my.salesforce.com/lightning/page "}, "acme.my.salesforce.com"),
        ({"login": "my_domain", "domain": "acme--dev.sandbox.my.salesforce.com"}, "acme--dev.sandbox.my.salesforce.com"),
        ({"login": "my_domain", "domain": "https://acme.lightning.force.com/"}, "acme.my.salesforce.com"),
        ({"login": "my_domain", "domain": "acme--dev.sandbox.lightning.force.com"}, "acme--dev.sandbox.my.salesforce.com"),
        ({"login": "my_domain", "domain": "https://acme.my.salesforce-setup.com/lightning/setup"}, "acme.my.salesforce.com"),
    ],
)  # fmt: skip
def test_each_login_has_its_host(settings: dict[str, str], host: str) -> None:
    assert host_of(settings) == host


@pytest.mark.parametrize(
    "domain",
    ["", ".my.salesforce.com", "acme.example.com", "my.salesforce.com.evil.example", "ac me", "https://[", "a@b", "acmé",
     "login.salesforce.com"],
)  # fmt: skip
async def test_what_is_no_my_domain_is_refused_at_the_form(domain: str) -> None:
    settings = {"login": "my_domain", "domain": domain}
    async with context(settings=settings) as (opened, _):
        with pytest.raises(CrmError) as error:
            Salesforce(opened)
    assert (error.value.kind, error.value.field) == (ErrorClass.CONFIG, "domain")


def test_the_app_is_asked_for_where_somebody_signs_in() -> None:
    ways = {field.name: field.way for field in SALESFORCE.settings}
    assert (ways["client_id"], ways["client_secret"], ways["target"]) == (Way.OAUTH, Way.OAUTH, Way.ANY)
    assert SALESFORCE.caps.oauth
