"""The first start: one link makes the owner and the first org, once."""

import asyncio

from site2crm.accounts import service
from site2crm.accounts.permissions import Role
from site2crm.app import Instance
from site2crm.kit import clock
from tests.accounts.browser import PASSWORD, browser, path_of
from tests.cast import Cast, Person

FORM = {"name": "Olga", "email": "olga@agency.example", "password": PASSWORD, "org": "Ünder Water", "time_zone": "UTC"}


async def link(instance: Instance) -> str:
    return path_of(await service.setup_url(instance.machine) or "")


async def test_the_link_makes_the_owner_logs_her_in_and_works_once(instance: Instance) -> None:
    url = await link(instance)

    async with browser(instance) as web:
        shown = await web.get(url)
        made = await web.post(url, data=FORM)
        settings = await web.get("/o/under-water/settings/general")
        again = await web.get(url)
        posted_again = await web.post(url, data={**FORM, "email": "eve@evil.example"})

    assert shown.status_code == 200
    assert (made.status_code, made.headers["location"]) == (303, "/o/under-water/")
    assert settings.status_code == 200
    assert "Ünder Water" in settings.text
    assert (again.status_code, posted_again.status_code) == (404, 404)


async def test_without_the_token_there_is_nothing(instance: Instance) -> None:
    await link(instance)

    async with browser(instance) as web:
        assert (await web.get("/setup/guess")).status_code == 404
        assert (await web.post("/setup/guess", data=FORM)).status_code == 404


async def test_the_link_ends_after_thirty_minutes(instance: Instance) -> None:
    with clock.travel(clock.now()) as forward:
        url = await link(instance)
        forward(service.SETUP_VALID_S + 1)
        async with browser(instance) as web:
            assert (await web.get(url)).status_code == 404


async def test_a_later_start_makes_a_new_link_and_the_old_one_dies(instance: Instance) -> None:
    first, second = await link(instance), await link(instance)

    async with browser(instance) as web:
        assert (await web.get(first)).status_code == 404
        assert (await web.get(second)).status_code == 200


async def test_with_a_user_there_is_no_link(instance: Instance, alice: Person) -> None:
    assert await service.setup_url(instance.machine) is None


async def test_a_link_from_before_the_first_user_is_dead(instance: Instance, people: Cast) -> None:
    url = await link(instance)
    await people.person("alice", Role.OWNER, "acme")

    async with browser(instance) as web:
        assert (await web.get(url)).status_code == 404


async def test_what_was_refused_is_shown_again_without_the_password(instance: Instance) -> None:
    url = await link(instance)

    async with browser(instance) as web:
        answer = await web.post(url, data={**FORM, "email": "nonsense", "password": PASSWORD})
        common = await web.post(url, data={**FORM, "password": "password1234"})
        works_still = await web.post(url, data=FORM)

    assert answer.status_code == 422
    assert "Ünder Water" in answer.text
    assert PASSWORD not in answer.text
    assert common.status_code == 422
    assert works_still.status_code == 303


async def test_of_two_at_once_one_becomes_the_owner(instance: Instance) -> None:
    url = await link(instance)

    async with browser(instance) as one, browser(instance) as two:
        answers = await asyncio.gather(
            one.post(url, data=FORM), two.post(url, data={**FORM, "email": "eve@evil.example"})
        )

    assert sorted(answer.status_code for answer in answers) == [303, 404]
