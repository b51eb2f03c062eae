"""A forgotten password."""

import json
import re

import pytest

from site2crm.accounts import resets
from site2crm.app import Instance
from site2crm.kit import clock
from tests.accounts.browser import PASSWORD, browser, link_in, log_in
from tests.cast import Person


async def asked(instance: Instance, email: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed as mail after somebody asked for this address."""
    capsys.readouterr()
    async with browser(instance) as web:
        answer = await web.post("/reset", data={"email": email})
    assert answer.status_code == 200
    assert instance.machine.jobs is not None
    await instance.machine.jobs.run_due()
    return capsys.readouterr().out


def without_nonce(page: str) -> str:
    return re.sub(r'nonce="[^"]*"', "", page)


async def test_the_link_sets_a_new_password_once_and_ends_every_session(
    instance: Instance, alice: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    url = link_in(await asked(instance, alice.email, capsys), "reset")

    async with browser(instance) as web:
        shown = await web.get(url)
        done = await web.post(url, data={"password": PASSWORD})
        again = await web.post(url, data={"password": PASSWORD})
        old = await log_in(web, alice.email)
        new = await log_in(web, alice.email, PASSWORD)

    assert (shown.status_code, done.status_code, again.status_code) == (200, 303, 404)
    assert (old.status_code, new.status_code) == (401, 303)
    assert (await alice.web.get("/profile")).status_code == 303


async def test_an_unknown_address_gets_the_same_answer_and_no_mail(
    instance: Instance, alice: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    async with browser(instance) as web:
        known = await web.post("/reset", data={"email": alice.email})
        unknown = await web.post("/reset", data={"email": "nobody@acme.example"})

    assert known.status_code == unknown.status_code == 200
    assert without_nonce(known.text) == without_nonce(unknown.text)
    assert instance.machine.jobs is not None
    await instance.machine.jobs.run_due()
    assert "/reset/" not in await asked(instance, "nobody2@acme.example", capsys)


async def test_the_link_ends_after_an_hour(
    instance: Instance, alice: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    with clock.travel(clock.now()) as forward:
        url = link_in(await asked(instance, alice.email, capsys), "reset")
        forward(resets.VALID_S + 1)
        async with browser(instance) as web:
            assert (await web.get(url)).status_code == 404


async def test_a_bad_password_leaves_the_link_usable(
    instance: Instance, alice: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    url = link_in(await asked(instance, alice.email, capsys), "reset")

    async with browser(instance) as web:
        refused = await web.post(url, data={"password": "short"})
        done = await web.post(url, data={"password": PASSWORD})

    assert (refused.status_code, done.status_code) == (422, 303)


async def test_a_fourth_mail_within_the_hour_is_not_sent(
    instance: Instance, alice: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(resets.PER_ACCOUNT):
        assert "/reset/" in await asked(instance, alice.email, capsys)

    assert "/reset/" not in await asked(instance, alice.email, capsys)


async def test_no_job_holds_a_token(instance: Instance, alice: Person) -> None:
    async with browser(instance) as web:
        await web.post("/reset", data={"email": alice.email})

    async with instance.machine.session() as session:
        stored = await (await session.connection()).exec_driver_sql("SELECT CAST(kwargs AS text) FROM job")
        sent = json.loads(stored.scalar_one())
        assert sent.pop("_request").startswith("req_")
        assert sent == {"email": alice.email}
