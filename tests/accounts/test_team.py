"""Members, roles and invitations."""

import asyncio

import pytest

from site2crm.accounts import invites, members
from site2crm.accounts.errors import LastOwner
from site2crm.accounts.permissions import EVERYTHING, ROLES, Role
from site2crm.app import Instance
from site2crm.kit import clock
from tests.accounts.browser import PASSWORD, browser, link_in, log_in
from tests.cast import Person

TEAM = "/o/acme/settings/team"


async def invite(person: Person, email: str, role: str = "member") -> str:
    """The path of the link that the page shows."""
    answer = await person.web.post(f"{TEAM}/invites", data={"email": email, "role": role})
    assert answer.status_code == 200, answer.text
    return link_in(answer.text, "invite")


async def member_id(alice: Person, email: str) -> str:
    rows = (await alice.api.get("/api/v1/members")).json()["data"]
    return next(row["id"] for row in rows if row["email"] == email)


async def test_a_new_person_joins_by_the_link_once(instance: Instance, alice: Person) -> None:
    url = await invite(alice, "new@acme.example")

    async with browser(instance) as web:
        shown = await web.get(url)
        joined = await web.post(url, data={"name": "Nia", "password": PASSWORD})
        again = await web.get(url)
        inside = await web.get("/o/acme/settings/general")

    assert "new@acme.example" in shown.text
    assert (joined.status_code, joined.headers["location"]) == (303, "/o/acme/")
    assert (again.status_code, inside.status_code) == (410, 200)


async def test_the_link_comes_by_mail_too(
    instance: Instance, alice: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = await invite(alice, "new@acme.example")
    assert instance.machine.jobs is not None
    await instance.machine.jobs.run_due()

    printed = capsys.readouterr().out
    assert "mail to new@acme.example: Join Acme" in printed
    assert link_in(printed, "invite") == shown


async def test_no_link_of_an_invitation_is_stored_readable(instance: Instance, alice: Person) -> None:
    token = (await invite(alice, "new@acme.example")).removeprefix("/invite/")

    for file in instance.machine.data_dir.glob("site2crm.db*"):
        assert token.encode() not in file.read_bytes()


async def test_somebody_with_an_account_accepts_after_logging_in(
    instance: Instance, alice: Person, charlie: Person
) -> None:
    url = await invite(alice, charlie.email)

    async with browser(instance) as web:
        asked = await web.get(url)
        await log_in(web, charlie.email, next=url)
        accepted = await web.post(url)
        home = await web.get("/o/acme/settings/general")

    assert f"/login?next={url.replace('/', '%2F')}" in asked.text
    assert accepted.status_code == 303
    assert home.status_code == 200


async def test_the_wrong_user_is_told_whom_it_is_for(alice: Person, bob: Person, charlie: Person) -> None:
    url = await invite(alice, "new@acme.example")

    shown = await charlie.web.get(url)
    posted = await charlie.web.post(url)

    assert "this invitation is for new@acme.example" in shown.text
    assert posted.status_code == 403
    assert "new@acme.example" in posted.text
    assert (await charlie.web.get("/o/acme/settings/general")).status_code == 404


async def test_nobody_takes_over_an_account_with_its_invitation(
    instance: Instance, alice: Person, charlie: Person
) -> None:
    url = await invite(alice, charlie.email)

    async with browser(instance) as web:
        answer = await web.post(url, data={"name": "Eve", "password": PASSWORD})
        takeover = await log_in(web, charlie.email, PASSWORD)

    assert answer.status_code == 401
    assert takeover.status_code == 401


async def test_a_new_link_kills_the_old_one(instance: Instance, alice: Person) -> None:
    first = await invite(alice, "new@acme.example")
    row = (await alice.api.get("/api/v1/invites")).json()["data"][0]
    answer = await alice.web.post(f"{TEAM}/invites/{row['id']}/resend")
    second = link_in(answer.text, "invite")

    async with browser(instance) as web:
        assert (await web.get(first)).status_code == 404
        assert (await web.get(second)).status_code == 200


async def test_a_withdrawn_or_old_link_is_gone(instance: Instance, alice: Person) -> None:
    with clock.travel(clock.now()) as forward:
        withdrawn, old = await invite(alice, "a@acme.example"), await invite(alice, "b@acme.example")
        rows = (await alice.api.get("/api/v1/invites")).json()["data"]
        chosen = next(row["id"] for row in rows if row["email"] == "a@acme.example")
        await alice.web.post(f"{TEAM}/invites/{chosen}/revoke")
        forward(invites.VALID_S + 1)
        async with browser(instance) as web:
            assert (await web.get(withdrawn)).status_code == 410
            assert (await web.get(old)).status_code == 410
            assert (await web.get("/invite/guess")).status_code == 404


async def test_who_is_in_the_team_is_not_invited_again(alice: Person, bob: Person) -> None:
    answer = await alice.web.post(f"{TEAM}/invites", data={"email": bob.email.upper(), "role": "viewer"})

    assert answer.status_code == 409
    assert "in the team already" in answer.text


@pytest.mark.parametrize(
    ("email", "role"), [("nonsense", "member"), ("a@b", "member"), ("a@b.example", "king"), ("", "")]
)
async def test_a_bad_invitation_says_what_is_wrong(alice: Person, email: str, role: str) -> None:
    assert (await alice.web.post(f"{TEAM}/invites", data={"email": email, "role": role})).status_code == 422


async def test_an_admin_makes_no_owner_and_removes_none(alice: Person, bob: Person) -> None:
    await alice.api.patch(f"/api/v1/members/{await member_id(alice, bob.email)}", json={"role": "admin"})
    owner = await member_id(alice, alice.email)

    invited = await bob.web.post(f"{TEAM}/invites", data={"email": "x@acme.example", "role": "owner"})
    demoted = await bob.web.post(f"{TEAM}/{owner}/role", data={"role": "viewer"})
    removed = await bob.web.post(f"{TEAM}/{owner}/remove")

    assert [answer.status_code for answer in (invited, demoted, removed)] == [403, 403, 403]
    assert (await alice.web.get(TEAM)).status_code == 200


async def test_the_last_owner_stays(alice: Person) -> None:
    me = await member_id(alice, alice.email)

    demoted = await alice.web.post(f"{TEAM}/{me}/role", data={"role": "admin"})
    removed = await alice.api.delete(f"/api/v1/members/{me}")

    assert demoted.status_code == 409
    assert "last owner" in demoted.text
    assert (removed.status_code, removed.json()["code"]) == (409, "last_owner")


async def test_two_owners_who_demote_each_other_leave_one(instance: Instance, alice: Person, bob: Person) -> None:
    hers, his = await member_id(alice, alice.email), await member_id(alice, bob.email)
    await alice.api.patch(f"/api/v1/members/{his}", json={"role": "owner"})

    async def demote(member: str) -> None:
        async with instance.machine.session() as session:
            await members.change_role(session, alice.org.id, member_id=member, role=Role.VIEWER, by=EVERYTHING)

    results = await asyncio.gather(demote(hers), demote(his), return_exceptions=True)

    assert [type(result) for result in results].count(LastOwner) == 1


async def test_who_is_removed_is_out_at_once(alice: Person, bob: Person) -> None:
    assert (await bob.web.get("/o/acme/settings/general")).status_code == 200

    await alice.web.post(f"{TEAM}/{await member_id(alice, bob.email)}/remove")

    assert (await bob.web.get("/o/acme/settings/general")).status_code == 404
    assert (await bob.web.get("/profile")).status_code == 200


async def test_a_key_gives_no_role_above_its_scopes(alice: Person) -> None:
    scopes = sorted(ROLES[Role.ADMIN])
    key = (await alice.api.post("/api/v1/keys", json={"name": "HR", "scopes": scopes})).json()["key"]

    answer = await alice.api.post(
        "/api/v1/invites",
        json={"email": "x@acme.example", "role": "owner"},
        headers={"Authorization": f"Bearer {key}"},
    )

    assert answer.status_code == 403
