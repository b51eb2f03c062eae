"""Logging in and out, and what a session cookie is worth."""

from pathlib import Path

import pytest

from site2crm.app import Instance
from site2crm.kit import clock
from tests import cast
from tests.accounts.browser import browser, log_in
from tests.cast import Person


async def test_the_cookie_is_kept_from_scripts_and_other_sites(instance: Instance, alice: Person) -> None:
    async with browser(instance) as web:
        cookie = (await log_in(web, alice.email)).headers["set-cookie"]

    assert cookie.startswith("s2c=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie


async def test_with_https_it_is_secure_and_bound_to_the_host(tmp_path: Path) -> None:
    async with cast.an_instance(tmp_path, server__public_url="https://leads.acme.example") as instance:
        async with instance.machine.session() as session:
            await cast.users.create(session, email="a@acme.example", password_hash=cast.PASSWORD_HASH)
        async with browser(instance) as web:
            cookie = (await log_in(web, "a@acme.example")).headers["set-cookie"]

    assert cookie.startswith("__Host-s2c=")
    assert "Secure" in cookie
    assert "Domain" not in cookie


async def test_a_planted_session_is_replaced_and_ended(instance: Instance, alice: Person, bob: Person) -> None:
    planted = bob.web.cookies["s2c"]

    async with browser(instance) as web:
        web.cookies.set("s2c", planted, domain="127.0.0.1")
        await log_in(web, alice.email)
        fresh = web.cookies.get("s2c", domain="127.0.0.1")

    assert fresh not in (None, planted)
    assert (await bob.web.get("/profile")).headers["location"].startswith("/login")


async def test_a_token_that_a_stranger_made_up_is_never_adopted(instance: Instance, alice: Person) -> None:
    async with browser(instance) as web:
        web.cookies.set("s2c", "chosen-by-the-attacker", domain="127.0.0.1")
        await log_in(web, alice.email)

        assert web.cookies.get("s2c", domain="127.0.0.1") != "chosen-by-the-attacker"


async def test_an_unknown_address_is_answered_like_a_wrong_password(instance: Instance, alice: Person) -> None:
    async with browser(instance) as web:
        wrong = await log_in(web, alice.email, "not the password")
        unknown = await log_in(web, "alicx@acme.example", "not the password")

    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text.replace(alice.email, "").count("is wrong") == unknown.text.count("is wrong") == 1


async def test_case_and_spaces_in_the_address_do_not_matter(instance: Instance, alice: Person) -> None:
    async with browser(instance) as web:
        assert (await log_in(web, " ALICE@Acme.example ")).status_code == 303


async def test_guessing_gets_slow_and_the_answer_names_the_seconds(instance: Instance, alice: Person) -> None:
    with clock.travel(clock.now()) as forward:
        async with browser(instance) as web:
            for _ in range(5):
                await log_in(web, alice.email, "wrong")
            await log_in(web, alice.email, "wrong")
            waits = await log_in(web, alice.email)
            forward(float(waits.headers["retry-after"]))
            after = await log_in(web, alice.email)

    assert waits.status_code == 429
    assert f"Try again in {waits.headers['retry-after']} second" in waits.text
    assert after.status_code == 303


async def test_a_megabyte_of_password_is_wrong_and_nothing_worse(instance: Instance, alice: Person) -> None:
    async with browser(instance) as web:
        assert (await log_in(web, alice.email, "x" * 500_000)).status_code == 401


@pytest.mark.parametrize("body", [b"", b"email=%ff%fe&password=%00", b"email=a&email=b&password"])
async def test_nonsense_is_refused(instance: Instance, body: bytes) -> None:
    async with browser(instance) as web:
        answer = await web.post("/login", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})

    assert 400 <= answer.status_code < 500


async def test_logging_out_ends_the_session_on_the_server(instance: Instance, alice: Person) -> None:
    copied = alice.web.cookies["s2c"]
    await alice.web.post("/logout")

    async with browser(instance, Cookie=f"s2c={copied}") as thief:
        assert (await thief.get("/profile")).status_code == 303


async def test_logging_out_twice_is_no_error(instance: Instance) -> None:
    async with browser(instance) as web:
        assert (await web.post("/logout")).headers["location"] == "/login"


async def test_another_site_cannot_log_anybody_in_or_out(instance: Instance, alice: Person) -> None:
    answer = await alice.web.post("/logout", headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 403
    assert (await alice.web.get("/profile")).status_code == 200


async def test_a_session_ends_when_it_is_idle_for_a_day(instance: Instance, alice: Person) -> None:
    with clock.travel(clock.now()) as forward:
        async with browser(instance) as web:
            await log_in(web, alice.email)
            for hours in (23, 23):
                forward(hours * 3600)
                assert (await web.get("/profile")).status_code == 200
            forward(25 * 3600)
            assert (await web.get("/profile")).status_code == 303


async def test_a_session_ends_after_fourteen_days_in_any_case(instance: Instance, alice: Person) -> None:
    with clock.travel(clock.now()) as forward:
        async with browser(instance) as web:
            await log_in(web, alice.email)
            for _ in range(27):
                forward(12 * 3600)
                assert (await web.get("/profile")).status_code == 200
            forward(13 * 3600)
            assert (await web.get("/profile")).status_code == 303


async def test_who_is_signed_in_skips_the_form(alice: Person) -> None:
    answer = await alice.web.get("/login?next=/profile")

    assert answer.headers["location"] == "/profile"


async def test_home_is_the_org_where_one_was_last(instance: Instance, alice: Person) -> None:
    await alice.web.post("/orgs/new", data={"name": "Beta", "slug": "beta", "time_zone": "UTC"})
    with clock.travel(clock.now()) as forward:
        forward(120)
        await alice.web.get("/o/beta/settings/general")

        assert (await alice.web.get("/o")).headers["location"] == "/o/beta/"
