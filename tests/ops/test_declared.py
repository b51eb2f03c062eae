"""Orgs, forms and CRMs that stand in the configuration file."""

import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from site2crm.accounts import keys, members, orgs, users
from site2crm.accounts import queries as accounts
from site2crm.accounts.permissions import ROLES, Role
from site2crm.app import Instance
from site2crm.commands.check import command as check
from site2crm.commands.plan import command as plan
from site2crm.connectors import copying, entering, sealing
from site2crm.connectors import queries as connections
from site2crm.connectors.models import Connection
from site2crm.connectors.registry import KINDS
from site2crm.core import alarms
from site2crm.core.declared.plan import Action, NotApplied
from site2crm.forms import copying as form_copying
from site2crm.forms.models import Form
from site2crm.ops import declared
from tests import cast
from tests.fakes.hubspot import TOKEN, HubSpotFake

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FILE = f"""\
[[orgs]]
key = "globex"
name = "Globex GmbH"
time_zone = "Europe/Berlin"

[[orgs.forms]]
key = "contact"
name = "Contact"
fields = [
  {{ name = "email", type = "email", required = true }},
]

[[orgs.crm]]
key = "test"
kind = "inbox"
name = "Our inbox"
forms = ["contact"]
[orgs.crm.fields]
email = "email"
custom.Budget = {{ property = "budget", default = "0" }}

[[orgs.webhooks]]
key = "hook"
url = "https://crm.example.com/leads"
secret = "{SECRET}"
"""


@asynccontextmanager
async def started(tmp_path: Path, text: str = FILE, *, owner: bool = True, **flags: str) -> AsyncIterator[Instance]:
    file = tmp_path / "site2crm.toml"
    file.write_text(text)
    async with cast.an_instance(tmp_path, file=file, **flags) as instance:
        if owner:
            async with instance.machine.session() as session:
                if not await users.any_exists(session):
                    await users.create(session, email="o@agency.example", password_hash="x", is_super=True)
            await declared.apply_or_ring(instance.machine)
        yield instance


async def rewritten(instance: Instance, change: Callable[[str], str]) -> list[tuple[str, str]]:
    """What applying the changed file does."""
    file = instance.machine.settings.file
    assert file is not None
    file.write_text(change(file.read_text()))
    steps = await declared.apply(instance.machine)
    return [(step.action.value, step.path) for step in steps if step.action is not Action.KEEP]


async def rows(instance: Instance) -> tuple[list[Form], list[Connection]]:
    async with instance.machine.session() as session:
        forms = list(await session.scalars(select(Form)))
        return forms, list(await session.scalars(select(Connection).order_by(Connection.created_at, Connection.id)))


async def alarm(instance: Instance) -> str:
    async with instance.machine.session() as session:
        rung = [a.text for a in await alarms.open_alarms(session, alarms.INSTANCE) if a.code == declared.ALARM]
    return "".join(rung)


async def test_a_start_makes_what_the_file_declares(tmp_path: Path) -> None:
    async with started(tmp_path) as instance:
        [form], [inbox, hook] = await rows(instance)
        async with instance.machine.session() as session:
            org = await accounts.org_of_slug(session, "globex")
        assert (org.name, org.time_zone) == ("Globex GmbH", "Europe/Berlin")
        assert (form.name, form.org_id, [f["name"] for f in form.fields]) == ("Contact", org.id, ["email"])
        assert (inbox.name, inbox.kind, inbox.form_ids) == ("Our inbox", "inbox", [form.id])
        assert [row["property"] for row in inbox.mapping] == ["email", "budget"]
        assert (hook.kind, hook.settings["url"]) == ("webhook", "https://crm.example.com/leads")
        assert sealing.secrets_of(instance.machine.vault, hook) == {"secret": SECRET}
        assert SECRET not in hook.secrets


async def test_applying_it_again_changes_nothing(tmp_path: Path) -> None:
    async with started(tmp_path) as instance:
        before = [row.updated_at for each in await rows(instance) for row in each]
        assert await rewritten(instance, str) == []
        assert [row.updated_at for each in await rows(instance) for row in each] == before


async def test_before_the_first_owner_it_waits_and_rings_nothing(tmp_path: Path) -> None:
    async with started(tmp_path, owner=False) as instance:
        assert not await declared.apply_or_ring(instance.machine)
        assert await alarm(instance) == ""
        assert await rows(instance) == ([], [])


async def test_a_changed_line_changes_its_record_only(tmp_path: Path) -> None:
    async with started(tmp_path) as instance:
        done = await rewritten(instance, lambda text: text.replace('name = "Our inbox"', 'name = "Inbox"'))
        assert done == [("change", "globex/crm/test")]
        _, [inbox, _] = await rows(instance)
        assert inbox.name == "Inbox"


async def test_a_new_secret_is_a_change_that_shows_no_secret(tmp_path: Path) -> None:
    async with started(tmp_path) as instance:
        file = instance.machine.settings.file
        assert file is not None
        file.write_text(file.read_text().replace(SECRET, SECRET[:-4] + "AAAA"))
        async with instance.machine.session() as session:
            steps = await declared.planned(session, instance.machine.vault, declared.read(instance.machine.settings))
        [step] = [step for step in steps if step.action is not Action.KEEP]
        assert [tuple(each) for each in step.differences] == [("secret", "•••", "another")]


async def test_a_removed_crm_is_paused_and_one_that_is_back_goes_on(tmp_path: Path) -> None:
    hook = FILE[FILE.index("[[orgs.webhooks]]") :]
    async with started(tmp_path) as instance:
        assert await rewritten(instance, lambda text: text.replace(hook, "")) == [("release", "globex/webhooks/hook")]
        _, [_, paused] = await rows(instance)
        assert paused.state == "paused"
        assert paused.state_reason.startswith("No longer in site2crm.toml")
        assert await rewritten(instance, lambda text: text + hook) == [("take over", "globex/webhooks/hook")]
        _, [_, back] = await rows(instance)
        assert (back.id, back.state) == (paused.id, "active")


async def test_a_removed_form_goes_on_taking_leads(tmp_path: Path) -> None:
    async with started(tmp_path) as instance:
        entry = FILE[FILE.index("[[orgs.forms]]") : FILE.index("[[orgs.crm]]")]
        await rewritten(instance, lambda text: text.replace(entry, "").replace('forms = ["contact"]\n', ""))
        [form], _ = await rows(instance)
        assert form.archived_at is None


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        ('key = "hook"\n', "", 22, "is needed"),
        ('key = "hook"', 'key = "Der Hook"', 23, "small letters"),
        ('kind = "inbox"', 'kind = "hubspott"', 15, "One of: inbox"),
        ('kind = "inbox"', 'kind = "inbox"\ntokn = "x"', 16, "unknown"),
        ('url = "https', 'adress = 3\nurl = "https', 24, "unknown; there are"),
        ('forms = ["contact"]', 'forms = ["contakt"]', 17, "contakt"),
        ('email = "email"', "email = 7", 19, "Expected"),
        ('email = "email"', 'emial = "email"', 19, "There is no field"),
        ('type = "email", required', 'type = "mail", required', 10, "mail"),
        ('time_zone = "Europe/Berlin"', 'time_zone = "Berlin"', 4, "Europe/Berlin"),
        (f'secret = "{SECRET}"', 'secret = { env = "NO_SUCH_VARIABLE" }', 25, "NO_SUCH_VARIABLE is not set"),
        (f'secret = "{SECRET}"', 'secret = { file = "/no/such" }', 25, "/no/such"),
        (f'secret = "{SECRET}"\n', "", 22, "shown to nobody"),
        ("[[orgs.webhooks]]", "[orgs.webhooks]", 22, "two brackets"),
        ('key = "hook"', 'key = "hook"\nsecret_ = "x"', 24, 'did you mean "secret"'),
    ],
)
async def test_a_fault_names_its_line_and_its_cure_and_takes_nothing_away(
    tmp_path: Path, before: str, after: str, line: int, words: str
) -> None:
    async with started(tmp_path) as instance:
        there = await rows(instance)
        with pytest.raises(NotApplied) as refused:
            await rewritten(instance, lambda text: text.replace(before, after, 1))
        told = [(p.line, p.message) for p in refused.value.problems]
        assert any(at == line and words in message for at, message in told), told
        assert await declared.apply_or_ring(instance.machine)
        assert f"site2crm.toml:{refused.value.problems[0].line}" in (said := await alarm(instance))
        assert "?." not in said and ".." not in said.replace("...", "")
        assert [row.id for each in await rows(instance) for row in each] == [row.id for each in there for row in each]
        await rewritten(instance, lambda text: FILE)
        assert await alarm(instance) == ""


async def test_two_entries_of_one_key_are_refused(tmp_path: Path) -> None:
    async with started(tmp_path) as instance:
        with pytest.raises(NotApplied, match="is at line 23 already"):
            await rewritten(instance, lambda text: text + text[text.index("[[orgs.webhooks]]") :])


async def test_a_slug_that_is_taken_stops_all_of_it(tmp_path: Path) -> None:
    async with started(tmp_path) as instance:
        extra = '\n[[orgs]]\nkey = "second"\nslug = "globex"\n'
        with pytest.raises(NotApplied, match="globex has this record already"):
            await rewritten(instance, lambda text: text + extra)
        async with instance.machine.session() as session:
            assert len(await accounts.org_ids(session)) == 1


async def test_a_broken_file_keeps_the_last_good_state(tmp_path: Path) -> None:
    async with started(tmp_path) as instance:
        with pytest.raises(NotApplied):
            await rewritten(instance, lambda text: text + "\n[[orgs\n")
        assert len((await rows(instance))[1]) == 2


async def test_what_stands_in_the_file_is_refused_elsewhere(tmp_path: Path) -> None:
    async with started(tmp_path) as instance:
        [form], [inbox, _] = await rows(instance)
        async with instance.machine.session() as session:
            user = await users.first(session)
            assert user is not None
            made = await keys.create(
                session, inbox.org_id, name="all", scopes=sorted(ROLES[Role.OWNER]), by=ROLES[Role.OWNER], actor=user.id
            )
        async with cast.client(instance, Authorization=f"Bearer {made.plain}") as api:
            renamed = await api.patch(f"/api/v1/forms/{form.id}", json={"name": "Mine"})
            mapped = await api.patch(f"/api/v1/connections/{inbox.id}", json={"mapping": {"email": "email"}})
            removed = await api.delete(f"/api/v1/connections/{inbox.id}")
            free = await api.patch(f"/api/v1/forms/{form.id}", json={"thanks_text": "Danke"})
            paused = await api.post(f"/api/v1/connections/{inbox.id}/pause")
        assert (renamed.status_code, renamed.json()["code"]) == (409, "declared_in_file")
        assert "site2crm.toml line 6" in renamed.json()["detail"]
        assert (mapped.status_code, removed.status_code) == (409, 409)
        assert (free.status_code, paused.status_code) == (200, 200)


async def test_an_org_that_was_made_by_hand_is_taken_over_by_its_address(tmp_path: Path) -> None:
    async with started(tmp_path, "") as instance:
        async with instance.machine.session() as session:
            owner = await users.first(session)
            assert owner is not None
            by_hand = (await orgs.create(session, owner.id, name="By hand", slug="globex")).id
        assert ("take over", "globex") in await rewritten(instance, lambda _: FILE)
        async with instance.machine.session() as session:
            org = await accounts.org_of_slug(session, "globex")
        assert (org.id, org.name) == (by_hand, "Globex GmbH")


async def test_a_connection_copied_as_toml_is_taken_over_and_not_doubled(tmp_path: Path) -> None:
    head = FILE[: FILE.index("[[orgs.forms]]")]
    async with started(tmp_path) as instance:
        _, [inbox, hook] = await rows(instance)
        copies = [copying.as_toml(each, KINDS[each.kind]) for each in (inbox, hook)]
        assert tomllib.loads("[[orgs]]\n" + copies[0])["orgs"][0]["crm"][0]["fields"]["custom.Budget"]
        assert '{ env = "HOOK_SECRET" }' in copies[1]
        filled_in = copies[1].replace('{ env = "HOOK_SECRET" }', f'"{SECRET}"')
        await rewritten(instance, lambda _: head + copies[0] + filled_in)
        _, after = await rows(instance)
        assert [(each.id, each.state) for each in after] == [(inbox.id, "active"), (hook.id, "active")]


async def copied_by_hand(instance: Instance) -> str:
    """The TOML of a CRM in an org "globex", neither of which the file knows yet."""
    async with instance.machine.session() as session:
        owner = await users.first(session)
        assert owner is not None
        by_hand = await orgs.create(session, owner.id, name="By hand", slug="globex")
        crm = entering.blank(KINDS["inbox"], by_hand.id, id="con_COPIED", account={})
        crm.name = "Main"
        session.add(crm)
    return copying.as_toml(crm, KINDS["inbox"])


async def test_a_plan_takes_over_what_applying_takes_over(tmp_path: Path) -> None:
    """Also below an org that was made by hand, and belongs to the file only when the plan is carried out."""
    async with started(tmp_path, "") as instance:
        copy = await copied_by_hand(instance)
        file = instance.machine.settings.file
        assert file is not None
        file.write_text(f"{FILE[: FILE.index('[[orgs.forms]]')]}{copy}")
        async with instance.machine.session() as session:
            steps = await declared.planned(session, instance.machine.vault, declared.read(instance.machine.settings))
        planned = [(step.action.value, step.path) for step in steps]
        assert planned == await rewritten(instance, str)
        assert ("take over", "globex/crm/main") in planned


async def test_a_copy_has_owner_deal_and_the_rows_of_forms_and_changes_none(tmp_path: Path) -> None:
    head = FILE[: FILE.index("[[orgs.crm]]")]
    async with started(tmp_path) as instance:
        [form], [inbox, _] = await rows(instance)
        async with instance.machine.session() as session:
            crm = entering.blank(KINDS["hubspot"], inbox.org_id, id="con_COPIED", account={})
            crm.name, crm.way, crm.settings = "Main", "oauth", {"client_id": "an-app"}
            crm.mapping = [
                {"source": "email", "property": "email"},
                {"source": "phone", "property": "phone"},
                {"source": "phone", "property": "mobilephone", "transform": "e164"},
            ]
            crm.owner_rule = {"way": "by_value", "source": "company", "value_map": {'A "B"': "501"}, "owner": "502"}
            crm.deal_rule = {"enabled": True, "title": "{name|Some \\ one}", "amount": "constant:100"}
            crm.form_mappings = {form.id: [{"source": "custom.Size", "property": "size"}]}
            session.add(crm)
        before = (crm.owner_rule, crm.deal_rule, crm.form_mappings, crm.mapping)
        copied = copying.as_toml(crm, KINDS["hubspot"])
        assert ("take over", "globex/crm/main") in await rewritten(instance, lambda _: head + copied)
        after = next(each for each in (await rows(instance))[1] if each.id == "con_COPIED")
        assert (after.owner_rule, after.deal_rule, after.form_mappings, after.mapping) == before
        assert await rewritten(instance, str) == []


async def test_a_form_copied_as_toml_is_taken_over_as_it_is(tmp_path: Path) -> None:
    head = FILE[: FILE.index("[[orgs.forms]]")]
    async with started(tmp_path) as instance:
        [form], _ = await rows(instance)
        text = form_copying.as_toml(form)
        steps = await rewritten(instance, lambda _: head + text)
        [after], _ = await rows(instance)
        assert (after.id, after.fields, after.name) == (form.id, form.fields, form.name)
        assert ("take over", "globex/forms/contact") not in steps  # the same key: it is the file's already
        assert await rewritten(instance, str) == []


async def test_pages_say_where_it_is_changed(tmp_path: Path) -> None:
    async with started(tmp_path, "") as instance, AsyncExitStack() as stack:
        alice = await cast.Cast(instance, stack).person("alice", Role.OWNER, "globex")
        await rewritten(instance, lambda _: FILE)
        [form], [inbox, _] = await rows(instance)
        mapping = f"crms/{inbox.id}/mapping"
        pages = [f"forms/{form.id}", f"forms/{form.id}/edit", f"crms/{inbox.id}", mapping, "settings/general"]
        for page in pages:
            shown = await alice.web.get(f"/o/globex/{page}")
            assert "site2crm.toml line" in shown.text, page
        read_only = (await alice.web.get(f"/o/globex/{mapping}")).text
        assert ("Save mapping" in read_only, 'name="property"' in read_only, "budget" in read_only) == (
            False,
            False,
            True,
        )
        removal = await alice.web.post(f"/o/globex/crms/{inbox.id}/remove")
        assert removal.status_code == 409
        assert "Change it there" in removal.text


async def test_a_kind_with_a_sign_in_waits_for_it(tmp_path: Path) -> None:
    entry = '[[orgs.crm]]\nkey = "hub"\nkind = "hubspot"\nway = "oauth"\nclient_id = "a"\nclient_secret = "b"\n'
    async with started(tmp_path, FILE[: FILE.index("[[orgs.forms]]")] + entry) as instance:
        assert instance.machine.jobs is not None
        await instance.machine.jobs.run_due()
        _, [hub] = await rows(instance)
        assert (hub.way, hub.state, hub.settings) == ("oauth", "parked", {"client_id": "a"})
        assert hub.state_reason.startswith("Nobody has signed in")


async def _changes_what_is_free(instance: Instance, hub: Connection) -> None:
    """The rows of all forms, beside an owner, a deal and the rows of a form that the file has."""
    async with AsyncExitStack() as stack:
        alice = await cast.Cast(instance, stack).person("alice", Role.OWNER, "zeta")
        async with instance.machine.session() as session:
            await members.add(session, hub.org_id, user_id=alice.user_id, role=Role.OWNER)
        page = f"/o/globex/crms/{hub.id}/mapping"
        shown = (await alice.web.get(page)).text
        assert ("Save mapping" in shown, 'name="owner_way"' in shown, "One for each" in shown) == (
            True,
            False,
            True,
        )
        posted = await alice.web.post(page, data={"source": "email", "property": "email", "act": "save"})
        assert (posted.status_code, posted.headers["location"]) == (303, f"/o/globex/crms/{hub.id}")


async def test_owner_deal_and_rows_of_a_form_are_declared_too(tmp_path: Path) -> None:
    portal = HubSpotFake()
    await portal.start()
    mara = portal.sales.add_owner("Mara", "Lindqvist")
    entry = f"""
[[orgs.crm]]
key = "hub"
kind = "hubspot"
token = "{TOKEN}"
[orgs.crm.owner]
way = "one"
owner = "Mara Lindqvist"
[orgs.crm.deal]
enabled = true
title = "{{name}}, {{form}}"
[orgs.crm.form_fields.contact]
message = "message"
"""
    flags = {"connectors__hubspot__base_url": portal.url, "outbound__allow_private": '["127.0.0.1/32"]'}
    async with started(tmp_path, FILE + entry, **flags) as instance:
        [form], [_, hub, _] = await rows(instance)
        await _changes_what_is_free(instance, hub)
        assert hub.owner_rule["owner"] == "Mara Lindqvist"
        assert instance.machine.jobs is not None
        await instance.machine.jobs.run_due()
        _, [_, hub, _] = await rows(instance)
        assert hub.owner_rule == {"way": "one", "owner": mara}
        assert (hub.deal_rule["enabled"], hub.deal_rule["title"]) == (True, "{name}, {form}")
        assert list(hub.form_mappings) == [form.id]
        assert await rewritten(instance, str) == []
        with pytest.raises(NotApplied, match=r"site2crm.toml:37 .*nobodyknows"):
            await rewritten(instance, lambda text: text.replace("form_fields.contact", "form_fields.nobodyknows"))
    await portal.stop()


async def test_another_orgs_connection_is_not_taken_over(tmp_path: Path) -> None:
    async with started(tmp_path) as instance:
        _, [inbox, _] = await rows(instance)
        thief = f'\n[[orgs]]\nkey = "thief"\n[[orgs.crm]]\nkey = "x"\nid = "{inbox.id}"\nkind = "inbox"\n'
        with pytest.raises(NotApplied, match="has no connection"):
            await rewritten(instance, lambda text: text + thief)
        async with instance.machine.session() as session:
            assert (await connections.get(session, inbox.org_id, inbox.id)).name == "Our inbox"


def test_check_and_plan_tell_all_of_it_before_a_start(tmp_path: Path) -> None:
    file = tmp_path / "site2crm.toml"
    file.write_text(FILE)
    words = ["--config", str(file), "--data-dir", str(tmp_path / "data")]
    good, planned = CliRunner().invoke(check, words), CliRunner().invoke(plan, words)
    file.write_text(FILE.replace('kind = "inbox"', 'kind = "nothing"'))
    bad, refused = CliRunner().invoke(check, words), CliRunner().invoke(plan, words)
    assert (good.exit_code, planned.exit_code, bad.exit_code, refused.exit_code) == (0, 0, 3, 3)
    assert "4 to apply" in planned.output
    assert "site2crm.toml:15" in bad.output + bad.stderr
    assert "nothing would be applied" in refused.output + refused.stderr


async def test_a_crm_that_people_sign_in_to_waits_for_somebody_who_does(tmp_path: Path) -> None:
    crm = '[[orgs.crm]]\nkey = "hs"\nkind = "hubspot"\nway = "oauth"\n'
    async with started(tmp_path, FILE + crm) as instance:
        hubspot = next(each for each in (await rows(instance))[1] if each.kind == "hubspot")
        assert (hubspot.way, hubspot.grant, hubspot.state) == ("oauth", "", "active")
        assert instance.machine.jobs is not None
        await instance.machine.jobs.run_due()
        hubspot = next(each for each in (await rows(instance))[1] if each.kind == "hubspot")
        assert (hubspot.state, hubspot.state_reason) == ("parked", "Nobody has signed in for this connection yet.")
        copied = copying.as_toml(hubspot, KINDS["hubspot"])
        assert tomllib.loads("[[orgs]]\n" + copied)["orgs"][0]["crm"][0]["way"] == "oauth"
        assert await rewritten(instance, str) == []


async def test_a_key_and_a_sign_in_do_not_mix_in_the_file(tmp_path: Path) -> None:
    crm = '[[orgs.crm]]\nkey = "hs"\nkind = "hubspot"\nway = "oauth"\ntoken = "pat-na1-1"\n'
    async with started(tmp_path, FILE + crm) as instance:
        assert "belongs to the other way to connect HubSpot" in await alarm(instance)


def test_all_that_is_wrong_with_the_rules_of_a_crm_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "site2crm.toml"
    file.write_text(
        """\
[[orgs]]
key = "acme"
name = "Acme"
[[orgs.crm]]
key = "hub"
kind = "hubspot"
token = "x"
[orgs.crm.owner]
way = "by_value"
source = "nonsense"
value_map = {}
[orgs.crm.deal]
enabled = true
title = ""
[orgs.crm.form_fields.contact]
nonsense = "one"
[orgs.crm.form_fields.quote]
nonsense = "two"
"""
    )
    told = CliRunner().invoke(check, ["--config", str(file), "--data-dir", str(tmp_path / "data")])
    said = told.output + told.stderr
    for place in ("owner.source", "owner.value_map", "deal.title", "form_fields.contact", "form_fields.quote"):
        assert f"acme/crm/hub {place}" in said
