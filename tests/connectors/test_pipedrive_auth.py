"""Signing in at Pipedrive."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.grants import App, AuthContext, Grant
from site2crm.connectors.pipedrive.auth import PipedriveAuth
from site2crm.core.http import Outbound
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.fakes.pipedrive import PipedriveFake
from tests.fakes.playing import playing

BACK = "https://crm.example.com/oauth/callback"


@pytest.fixture
async def fake() -> AsyncIterator[PipedriveFake]:
    async with playing(PipedriveFake()) as server:
        yield server


@pytest.fixture
async def http() -> AsyncIterator[Outbound]:
    outbound = Outbound(5.0, allow_private=["127.0.0.0/8"], resolver=lambda host: ["127.0.0.1"])
    yield outbound
    await outbound.aclose()


def auth(fake: PipedriveFake, http: Outbound, *, secret: str = "demo-secret") -> PipedriveAuth:
    return PipedriveAuth(AuthContext(http, App("demo-app", secret), base_url=fake.url))


async def code(signing: PipedriveAuth, http: Outbound, *, decided: str = "allow") -> dict[str, str]:
    """What Pipedrive brings back when a person has decided."""
    url = signing.authorize_url(state="st&1", redirect_uri=BACK, challenge="c")
    answer = await http.request("GET", f"{url}&{decided}=1")
    assert answer.headers["location"].startswith(BACK)
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


async def signed_in(fake: PipedriveFake, http: Outbound) -> Grant:
    signing = auth(fake, http)
    return await signing.exchange(await code(signing, http), redirect_uri=BACK, verifier="v")


async def refused(waiting: Any) -> CrmError:
    with pytest.raises(CrmError) as error:
        await waiting
    return error.value


async def test_the_address_of_the_sign_in_has_neither_scopes_nor_pkce(http: Outbound) -> None:
    signing = PipedriveAuth(AuthContext(http, App("id 1", "s")))
    url = signing.authorize_url(state="st&1", redirect_uri=BACK, challenge="c")
    assert url.startswith("https://oauth.pipedrive.com/oauth/authorize?client_id=id%201&")
    assert dict(parse_qsl(urlsplit(url).query)) == {"client_id": "id 1", "redirect_uri": BACK, "state": "st&1"}


async def test_a_code_becomes_a_grant_once(fake: PipedriveFake, http: Outbound) -> None:
    signing = auth(fake, http)
    callback = await code(signing, http)
    assert callback["state"] == "st&1"
    grant = await signing.exchange(callback, redirect_uri=BACK, verifier="v")
    assert (grant.extra, "contacts:full" in grant.scopes) == ({"api_domain": "https://acme.pipedrive.com"}, True)
    assert grant.expires_at is not None
    assert timedelta(minutes=55) < grant.expires_at - clock.now() < timedelta(hours=1)
    again = await refused(signing.exchange(callback, redirect_uri=BACK, verifier="v"))
    assert (again.kind, again.code) == (ErrorClass.REAUTH, "invalid_grant")


async def test_the_page_of_the_sign_in_leads_back_either_way(fake: PipedriveFake, http: Outbound) -> None:
    signing = auth(fake, http)
    url = signing.authorize_url(state="s", redirect_uri=BACK, challenge="c")
    page = await http.request("GET", url)
    assert b"Allow</a>" in page.content
    assert (await code(signing, http, decided="deny"))["error"] == "user_denied"


async def test_another_callback_than_the_one_of_the_sign_in_is_refused(fake: PipedriveFake, http: Outbound) -> None:
    signing = auth(fake, http)
    callback = await code(signing, http)
    error = await refused(signing.exchange(callback, redirect_uri="https://evil.example", verifier="v"))
    assert error.kind is ErrorClass.REAUTH


@pytest.mark.parametrize("rotates", [False, True])
async def test_a_refresh_keeps_what_is_returned(fake: PipedriveFake, http: Outbound, rotates: bool) -> None:
    fake.oauth.rotates = rotates
    grant = await signed_in(fake, http)
    renewed = await auth(fake, http).refresh(grant)
    assert renewed.access != grant.access
    assert (renewed.refresh == grant.refresh) is not rotates
    if rotates:
        assert (await refused(auth(fake, http).refresh(grant))).kind is ErrorClass.REAUTH
    await auth(fake, http).refresh(renewed)


async def test_a_sign_in_that_nobody_used_for_sixty_days_is_over(fake: PipedriveFake, http: Outbound) -> None:
    grant = await signed_in(fake, http)
    with clock.travel(clock.now() + timedelta(days=61)):
        error = await refused(auth(fake, http).refresh(grant))
    assert error.kind is ErrorClass.REAUTH
    assert "refresh_token is invalid" in error.text


async def test_a_token_without_a_refresh_cannot_be_renewed(fake: PipedriveFake, http: Outbound) -> None:
    assert (await refused(auth(fake, http).refresh(Grant("x")))).kind is ErrorClass.REAUTH


async def test_a_wrong_app_is_for_the_admin(fake: PipedriveFake, http: Outbound) -> None:
    grant = await signed_in(fake, http)
    error = await refused(auth(fake, http, secret="other").refresh(grant))
    assert (error.kind, "demo-secret" in error.text) == (ErrorClass.CONFIG, False)


async def test_revoking_removes_the_app_and_may_be_repeated(fake: PipedriveFake, http: Outbound) -> None:
    grant = await signed_in(fake, http)
    await auth(fake, http).revoke(grant)
    await auth(fake, http).revoke(grant)
    assert fake.oauth.granted(grant.access) is None
    assert (await refused(auth(fake, http).refresh(grant))).kind is ErrorClass.REAUTH


@pytest.mark.parametrize("domain", ["https://evil.example.com", "", "http://acme.pipedrive.com", "acme.pipedrive.com"])
async def test_an_address_that_is_not_pipedrives_is_not_kept(fake: PipedriveFake, http: Outbound, domain: str) -> None:
    told = {**fake.oauth.issue(), "api_domain": domain}
    fake.faults.append(Fault("status", status=200, path="/oauth/token", body=told))
    error = await refused(auth(fake, http).exchange({"code": "c"}, redirect_uri=BACK, verifier="v"))
    assert (error.kind, error.code) == (ErrorClass.CONFIG, "foreign_host")


@pytest.mark.parametrize("fault", [Fault("page"), Fault("half"), Fault("reset"), Fault("status", status=503)])
async def test_a_passing_fault_ends_no_sign_in(fake: PipedriveFake, http: Outbound, fault: Fault) -> None:
    grant = await signed_in(fake, http)
    fake.faults.append(fault)
    assert (await refused(auth(fake, http).refresh(grant))).kind is ErrorClass.RETRY
    assert (await auth(fake, http).refresh(grant)).access


@pytest.mark.parametrize("life", [10**30, -1, True, "soon"])
async def test_a_life_that_no_calendar_holds_is_none(fake: PipedriveFake, http: Outbound, life: object) -> None:
    told = {"access_token": "a", "refresh_token": "r", "expires_in": life, "api_domain": "https://a.pipedrive.com"}
    fake.faults.append(Fault("status", status=200, path="/oauth/token", body=told))
    grant = await auth(fake, http).exchange({"code": "c"}, redirect_uri=BACK, verifier="v")
    assert grant.expires_at is None or grant.expires_at < clock.now() + timedelta(seconds=2)
