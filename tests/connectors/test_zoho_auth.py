"""Signing in at Zoho: data centres, refusals inside a 200, limits on refreshing, and hosts that are not Zoho's."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.grants import App, AuthContext, Grant
from site2crm.connectors.zoho.auth import RIGHTS, ZohoAuth
from site2crm.connectors.zoho.centres import ACCOUNTS_HOSTS, API_HOSTS, CENTRES
from site2crm.core.http import Outbound
from site2crm.demo.server import Fault
from site2crm.demo.zoho_accounts import CLIENT_ID, CLIENT_SECRET, MOST_REFRESH_TOKENS, REDIRECT
from site2crm.kit import clock
from tests.fakes.playing import playing
from tests.fakes.zoho import ZohoFake

APP = App(CLIENT_ID, CLIENT_SECRET)


@pytest.fixture
async def fake() -> AsyncIterator[ZohoFake]:
    async with playing(ZohoFake()) as server:
        yield server


@asynccontextmanager
async def auth(base_url: str | None, app: App = APP, **settings: str) -> AsyncIterator[ZohoAuth]:
    http = Outbound(5.0, allow_private=["127.0.0.0/8"], resolver=lambda host: ["127.0.0.1"])
    try:
        yield ZohoAuth(AuthContext(http, app, settings, base_url))
    finally:
        await http.aclose()


async def allowed(zoho: ZohoAuth, fake: ZohoFake) -> Mapping[str, str]:
    """What the browser comes back with."""
    async with Browser() as http:
        url = zoho.authorize_url(state="s1", redirect_uri=REDIRECT, challenge="c")
        answer = await http.request("GET", f"{url}&allow=1")
    assert answer.status == 302
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


class Browser:
    async def __aenter__(self) -> Outbound:
        self._http = Outbound(5.0, allow_private=["127.0.0.0/8"], resolver=lambda host: ["127.0.0.1"])
        return self._http

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()


async def signed_in(zoho: ZohoAuth, fake: ZohoFake) -> Grant:
    return await zoho.exchange(await allowed(zoho, fake), redirect_uri=REDIRECT, verifier="v")


def said(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


@pytest.mark.parametrize("centre", CENTRES)
async def test_each_data_centre_has_its_own_sign_in(centre: str) -> None:
    async with auth(None, data_centre=centre) as zoho:
        url = zoho.authorize_url(state="s", redirect_uri=REDIRECT, challenge="c")
    assert urlsplit(url).hostname == CENTRES[centre].accounts
    assert urlsplit(url).hostname in ACCOUNTS_HOSTS


async def test_lasting_access_is_asked_for_with_scopes_between_commas() -> None:
    async with auth(None) as zoho:
        asked = said(zoho.authorize_url(state="s", redirect_uri=REDIRECT, challenge="c"))
    assert asked["scope"] == ",".join(RIGHTS)
    assert (asked["access_type"], asked["prompt"], asked["state"]) == ("offline", "consent", "s")
    assert "code_challenge" not in asked


async def test_a_sign_in_gives_what_is_needed_later(fake: ZohoFake) -> None:
    async with auth(fake.url) as zoho:
        grant = await signed_in(zoho, fake)
    assert fake.scopes_of(grant.access) == set(RIGHTS) == set(grant.scopes)
    assert grant.refresh in fake.refresh_tokens
    assert grant.extra == {"api_domain": "https://www.zohoapis.eu", "accounts_server": "https://accounts.zoho.eu"}
    assert grant.expires_at is not None
    assert timedelta(minutes=59) < grant.expires_at - clock.now() <= timedelta(hours=1)


async def test_secrets_go_in_the_body(fake: ZohoFake) -> None:
    async with auth(fake.url) as zoho:
        await zoho.refresh(await signed_in(zoho, fake))
    posts = [request for request in fake.requests if request.method == "POST"]
    assert all(CLIENT_SECRET not in request.target and CLIENT_SECRET in request.body.decode() for request in posts)


async def test_a_code_works_once(fake: ZohoFake) -> None:
    async with auth(fake.url) as zoho:
        callback = await allowed(zoho, fake)
        await zoho.exchange(callback, redirect_uri=REDIRECT, verifier="v")
        with pytest.raises(CrmError) as refused:
            await zoho.exchange(callback, redirect_uri=REDIRECT, verifier="v")
    assert (refused.value.kind, refused.value.code) == (ErrorClass.REAUTH, "invalid_code")


async def test_a_refresh_keeps_the_refresh_token_and_where_the_account_is(fake: ZohoFake) -> None:
    async with auth(fake.url) as zoho:
        first = await signed_in(zoho, fake)
        second = await zoho.refresh(first)
    assert second.access != first.access
    assert (second.refresh, second.extra, second.scopes) == (first.refresh, first.extra, first.scopes)


async def test_the_eleventh_refresh_in_ten_minutes_waits(fake: ZohoFake) -> None:
    async with auth(fake.url) as zoho:
        grant = await signed_in(zoho, fake)
        for _ in range(10):
            await zoho.refresh(grant)
        with pytest.raises(CrmError) as refused:
            await zoho.refresh(grant)
    assert (refused.value.kind, refused.value.retry_after) == (ErrorClass.THROTTLE, timedelta(minutes=10))


async def test_the_21st_sign_in_kills_the_first(fake: ZohoFake) -> None:
    fake.refresh_tokens.clear()
    async with auth(fake.url) as zoho:
        first = await signed_in(zoho, fake)
        for _ in range(MOST_REFRESH_TOKENS):
            last = await signed_in(zoho, fake)
        await zoho.refresh(last)
        with pytest.raises(CrmError) as refused:
            await zoho.refresh(first)
    assert refused.value.kind is ErrorClass.REAUTH


@pytest.mark.parametrize(
    ("error", "kind", "field"),
    [
        ("invalid_client", ErrorClass.CONFIG, "client_id"),
        ("invalid_client_secret", ErrorClass.CONFIG, "client_secret"),
        ("invalid_redirect_uri", ErrorClass.CONFIG, "client_id"),
        ("invalid_code", ErrorClass.REAUTH, None),
        ("Access Denied", ErrorClass.THROTTLE, None),
        ("something_new", ErrorClass.CONFIG, None),
    ],
)
async def test_refusals_come_with_status_200_and_are_told_apart(
    fake: ZohoFake, error: str, kind: ErrorClass, field: str | None
) -> None:
    fake.faults.append(Fault("status", status=200, path="token", body={"error": error}))
    async with auth(fake.url) as zoho:
        with pytest.raises(CrmError) as refused:
            await zoho.refresh(Grant("a", refresh="r"))
    assert (refused.value.kind, refused.value.field) == (kind, field)
    assert error in refused.value.text


@pytest.mark.parametrize(
    ("app", "field"),
    [(App("1000.OTHER", CLIENT_SECRET), "client_id"), (App(CLIENT_ID, "wrong"), "client_secret")],
)
async def test_a_wrong_app_names_the_setting(fake: ZohoFake, app: App, field: str) -> None:
    async with auth(fake.url, app) as zoho:
        with pytest.raises(CrmError) as refused:
            await zoho.refresh(Grant("a", refresh=fake.refresh_token))
    assert (refused.value.kind, refused.value.field) == (ErrorClass.CONFIG, field)


@pytest.mark.parametrize("kind", ["page", "half", "reset"])
async def test_an_answer_that_is_none_is_tried_again(fake: ZohoFake, kind: Any) -> None:
    fake.faults.append(Fault(kind, path="token"))
    async with auth(fake.url) as zoho:
        with pytest.raises(CrmError) as refused:
            await zoho.refresh(Grant("a", refresh=fake.refresh_token))
    assert refused.value.kind is ErrorClass.RETRY


async def test_a_sign_in_without_lasting_access_is_refused(fake: ZohoFake) -> None:
    answer = {"access_token": "a", "api_domain": "https://www.zohoapis.eu", "expires_in": 3600}
    fake.faults.append(Fault("status", status=200, path="token", body=answer))
    async with auth(fake.url) as zoho:
        with pytest.raises(CrmError, match="no lasting access") as refused:
            await signed_in(zoho, fake)
    assert refused.value.kind is ErrorClass.REAUTH


async def test_a_life_that_no_calendar_holds_is_an_hour(fake: ZohoFake) -> None:
    answer = {"access_token": "a", "api_domain": "https://www.zohoapis.eu", "expires_in": 1e300}
    fake.faults.append(Fault("status", status=200, path="token", body=answer))
    async with auth(fake.url) as zoho:
        grant = await zoho.refresh(Grant("a", refresh="r"))
    assert grant.expires_at is not None
    assert grant.expires_at <= clock.now() + timedelta(hours=1)


@pytest.mark.parametrize(
    "server",
    ["https://accounts.zoho.eu.evil.example", "http://accounts.zoho.eu", "https://evil.example/accounts.zoho.eu",
     "https://accounts.zoho.eu@evil.example", "https://accounts.zoho.eu:8443", "https://www.zohoapis.eu"],
)  # fmt: skip
async def test_a_code_never_goes_to_a_server_that_is_not_zohos(server: str) -> None:
    async with auth(None) as zoho:
        with pytest.raises(CrmError) as refused:
            await zoho.exchange({"code": "c", "accounts-server": server}, redirect_uri=REDIRECT, verifier="v")
    assert (refused.value.kind, refused.value.code) == (ErrorClass.CONFIG, "foreign_host")


@pytest.mark.parametrize("domain", ["https://evil.example", "http://www.zohoapis.eu", "", "https://zohoapis.eu"])
def test_an_api_that_is_not_zohos_is_refused(domain: str) -> None:
    zoho = ZohoAuth(AuthContext(Outbound(), APP))
    with pytest.raises(CrmError) as refused:
        zoho._grant({"access_token": "a", "api_domain": domain}, refresh="r", accounts="", before=None)
    assert (refused.value.kind, refused.value.code) == (ErrorClass.CONFIG, "foreign_host")


@pytest.mark.parametrize("host", API_HOSTS)
def test_every_api_of_zoho_is_taken_sandboxes_too(host: str) -> None:
    zoho = ZohoAuth(AuthContext(Outbound(), APP))
    said = {"access_token": "a", "api_domain": f"https://{host}"}
    grant = zoho._grant(said, refresh="r", accounts="https://accounts.zoho.eu", before=None)
    assert grant.extra["api_domain"] == f"https://{host}"


async def test_a_revoked_grant_is_gone_and_one_that_is_gone_is_no_error(fake: ZohoFake) -> None:
    async with auth(fake.url) as zoho:
        grant = await signed_in(zoho, fake)
        await zoho.revoke(grant)
        await zoho.revoke(grant)
    assert grant.refresh not in fake.refresh_tokens


async def test_the_consent_page_leads_on_by_a_link(fake: ZohoFake) -> None:
    async with auth(fake.url) as zoho, Browser() as http:
        page = await http.request("GET", zoho.authorize_url(state="s", redirect_uri=REDIRECT, challenge="c"))
    assert page.status == 200
    assert b"Allow</a>" in page.content
