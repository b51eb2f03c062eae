"""`site2crm check --online` puts what the file declares to its CRM, and names each fault with line and cure."""

import dataclasses
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from site2crm.app import Instance
from site2crm.connectors import granting, service
from site2crm.connectors.contract import CrmError, ErrorClass, FieldDef
from site2crm.connectors.kinds import ConnectorKind, Way
from site2crm.connectors.models import Connection
from site2crm.connectors.registry import KINDS
from site2crm.core import config, feature
from site2crm.core.declared.plan import Action
from site2crm.demo.hubspot import READ, TOKEN, WRITE
from site2crm.demo.hubspot_sales import SALES_SCOPES
from site2crm.features import FEATURES
from site2crm.ops import checks_connections, declared
from site2crm.ops.findings import Finding
from tests.connectors.kinds import PLAYED, Played
from tests.fakes.hubspot import HubSpotFake
from tests.fakes.sales_crm import FIELDS, NAME, SalesCrm
from tests.ops.test_declared import copied_by_hand, rows, started

BANANA = "Banana"
LEDGER = f"""\
[[orgs]]
key = "globex"
[[orgs.forms]]
key = "contact"
[[orgs.crm]]
key = "ledger"
kind = "{NAME}"
"""


@dataclass
class Case:
    kind: ConnectorKind
    instance: Instance
    fake: Any

    @property
    def file(self) -> Path:
        found = self.instance.machine.settings.file
        assert found is not None
        return found

    async def checks(self) -> list[dict[str, str]]:
        told = await checks_connections.examine(self.instance.machine, {"file": str(self.file)})
        found: list[dict[str, str]] = told["checks"]
        assert all(each["cure"] for each in found if each["level"] != "ok")
        return found

    async def said(self, fields: str) -> list[tuple[str, str]]:
        """Level and words about these rows, which are written below the entry and not applied."""
        before = self.file.read_text()
        self.file.write_text(f"{before}[orgs.crm.fields]\n{fields}")
        told = [(each["level"], each["says"]) for each in await self.checks()]
        self.file.write_text(before)
        return told

    async def known(self) -> list[FieldDef]:
        _, [connection] = await rows(self.instance)
        examined = await service.examine(self.instance.machine, connection.org_id, connection.id)
        return msgspec.convert(examined.checked.fields, list[FieldDef])

    def line_of(self, words: str) -> int:
        lines = self.file.read_text().splitlines()
        return next(number for number, line in enumerate(lines, 1) if words in line)


@pytest.fixture(params=[kind for kind in KINDS if not KINDS[kind].caps.custom_key and kind != "inbox"])
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Case]:
    kind, played = KINDS[request.param], PLAYED[request.param]
    async with AsyncExitStack() as stack:
        assert played.server is not None
        fake = played.server()
        await fake.start()
        stack.push_async_callback(fake.stop)
        flags = {f"connectors__{kind.name}__base_url": fake.url, "outbound__allow_private": '["127.0.0.1/32"]'}
        if kind.auth is not None:
            flags |= {f"connectors__{kind.name}__client_id": "an-id"}
            flags |= {f"connectors__{kind.name}__client_secret": "a-secret"}
        instance = await stack.enter_async_context(started(tmp_path, _declared(kind, played), **flags))
        if played.grants is not None:
            await _signed_in(instance, await played.grants(fake).current())
        yield Case(kind, instance, fake)


def _declared(kind: ConnectorKind, played: Played) -> str:
    way = Way.OAUTH if played.grants else Way.KEY
    chosen = {field.name: field.choices[0][0] for field in kind.fields_of(way) if field.choices and field.required}
    given = {**chosen, **played.settings, **played.secrets}
    entry = "\n".join(f'{name} = "{value}"' for name, value in given.items())
    return f'[[orgs]]\nkey = "globex"\n[[orgs.crm]]\nkey = "main"\nkind = "{kind.name}"\nway = "{way}"\n{entry}\n'


async def _signed_in(instance: Instance, grant: Any) -> None:
    _, [connection] = await rows(instance)
    async with instance.machine.session() as session:
        granting.put(instance.machine, await service.get(session, connection.org_id, connection.id), grant)


async def test_what_fits_is_good_and_names_its_line_and_account(case: Case) -> None:
    [told] = await case.checks()
    assert told["level"] == "ok", told
    assert told["says"].startswith(f"site2crm.toml line {case.line_of('[[orgs.crm]]')}: globex/crm/main answers as ")


async def test_a_property_that_is_not_there_is_named_with_its_line(case: Case) -> None:
    [told] = [each for each in await case.said('email = "no_such_property"\n') if "no_such_property" in each[1]]
    line = case.line_of("[[orgs.crm]]") + len(case.file.read_text().splitlines()) - case.line_of("[[orgs.crm]]") + 2
    assert told[0] == "warning"
    assert f"site2crm.toml:{line}  globex/crm/main fields.email: " in told[1]
    assert f"{case.kind.label} has no property" in told[1]


async def test_a_fixed_text_that_is_no_choice_number_date_or_yes_is_refused(case: Case) -> None:
    several = [each for each in await case.known() if each.writable and _is_strict(each)]
    assert several, "the fake has no such property"
    for field in {each.type: each for each in several}.values():
        told = await case.said(f'"constant:{BANANA}" = "{field.key}"\n')
        found = [each for each in told if BANANA in each[1]]
        assert [level for level, _ in found] == ["failed"], (field, told)
        assert f"{field.label} ({field.key}): “{BANANA}” is not " in found[0][1]


async def test_what_a_value_map_makes_is_judged_too(case: Case) -> None:
    field = next(each for each in await case.known() if each.writable and _is_strict(each))
    row = f'{{ property = "{field.key}", transform = "value_map", value_map = {{ "big" = "{BANANA}" }} }}'
    told = await case.said(f'"custom.Size" = {row}\n')
    [found] = [each for each in told if BANANA in each[1]]
    assert found[0] == "failed" and "fields.custom.Size: " in found[1]


async def test_an_address_never_fits_a_property_that_takes_no_text(case: Case) -> None:
    field = next(each for each in await case.known() if each.writable and _is_strict(each))
    told = await case.said(f'email = "{field.key}"\n')
    [found] = [each for each in told if "E-mail is never " in each[1]]
    assert found[0] == "failed"


async def test_a_property_that_can_only_be_read_is_named(case: Case) -> None:
    read_only = [each for each in await case.known() if not each.writable]
    for field in read_only[:1]:
        told = await case.said(f'email = "{field.key}"\n')
        assert [level for level, says in told if "can only be read" in says] == ["warning"]


async def test_a_required_property_that_nothing_fills_is_named(case: Case) -> None:
    required = [each for each in await case.known() if each.required and each.writable]
    told = await case.said('"constant:x" = "no_such_property"\n')
    named = [says for _, says in told if " requires " in says]
    assert len(named) == len(required)
    assert all(any(f"({field.key})" in says for says in named) for field in required)


async def test_a_dead_key_is_told_at_its_line(case: Case) -> None:
    secret = next((field.name for field in case.kind.settings if field.kind == "secret" and field.way != "oauth"), "")
    if not PLAYED[case.kind.name].secrets:
        await _signed_in(case.instance, dataclasses.replace(await _grant(case), access="dead", refresh="dead"))
    else:
        line = f'{secret} = "{PLAYED[case.kind.name].secrets[secret]}"'
        case.file.write_text(case.file.read_text().replace(line, line[:-4] + 'dead"'))
    [told] = await case.checks()
    assert told["level"] == "failed"
    assert f"{case.kind.label} says no: " in told["says"]
    assert f"site2crm.toml:{case.line_of(f'{secret} = ' if secret and PLAYED[case.kind.name].secrets else '[[orgs.crm]]')}" in told["says"]  # fmt: skip


async def _grant(case: Case) -> Any:
    grants = PLAYED[case.kind.name].grants
    assert grants is not None
    return await grants(case.fake).current()


async def test_a_right_that_is_missing_is_named(case: Case) -> None:
    if case.kind.name == "hubspot":  # whose fake knows rights
        case.fake.tokens[TOKEN] = {READ}
        [told] = await case.checks()
        assert (told["level"], f"lacks the right {WRITE}" in told["says"]) == ("failed", True)
        case.fake.tokens[TOKEN] = {READ, WRITE, *SALES_SCOPES} - {"crm.objects.deals.write"}
        [told] = await case.checks()
        assert (told["level"], "does not give the right crm.objects.deals.write" in told["says"]) == ("warning", True)
        assert f"site2crm.toml:{case.line_of('token = ')}" in told["says"]


async def test_nothing_of_it_is_saved(case: Case) -> None:
    before = [_columns(each) for each in (await rows(case.instance))[1]]
    await case.said('email = "no_such_property"\n')
    assert [_columns(each) for each in (await rows(case.instance))[1]] == before


def _columns(connection: Connection) -> dict[str, Any]:
    return {column.name: getattr(connection, column.name) for column in Connection.__table__.columns}


def _is_strict(field: FieldDef) -> bool:
    return field.type in ("number", "money", "bool", "date", "datetime") or (
        field.type in ("choice", "choices") and bool(field.choices)
    )


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> SalesCrm:
    made = SalesCrm()
    monkeypatch.setitem(KINDS, NAME, made.kind())
    return made


async def of_ledger(tmp_path: Path, text: str, *, applied: str = LEDGER) -> list[tuple[str, str]]:
    tmp_path.mkdir(exist_ok=True)
    async with started(tmp_path, applied) as instance:
        file = instance.machine.settings.file
        assert file is not None
        file.write_text(text)
        told = await checks_connections.examine(instance.machine, {})
        return [(each["level"], each["says"].partition("site2crm.toml")[2]) for each in told["checks"]]


async def test_owners_and_stages_that_the_crm_does_not_have(tmp_path: Path, ledger: SalesCrm) -> None:
    rules = (
        '[orgs.crm.owner]\nway = "one"\nowner = "nobody@crm.example"\n[orgs.crm.deal]\nenabled = true\nstage = "x"\n'
    )
    owner, deal = await of_ledger(tmp_path, LEDGER + rules)
    assert owner[0] == deal[0] == "warning"
    assert owner[1].startswith(":10  globex/crm/ledger owner.owner: ") and "nobody@crm.example" in owner[1]
    assert deal[1].startswith(":13  globex/crm/ledger deal.stage: ")


async def test_an_owner_by_e_mail_is_good(tmp_path: Path, ledger: SalesCrm) -> None:
    rules = '[orgs.crm.owner]\nway = "one"\nowner = "bert@crm.example"\n'
    [(level, _)] = await of_ledger(tmp_path, LEDGER + rules)
    assert level == "ok"


async def test_owners_that_cannot_be_read_name_the_right(tmp_path: Path, ledger: SalesCrm) -> None:
    ledger.directory_fault = CrmError(ErrorClass.CONFIG, "The right owners.read is missing.")
    rules = '[orgs.crm.owner]\nway = "one"\nowner = "bert@crm.example"\n'
    [(level, says)] = await of_ledger(tmp_path, LEDGER + rules)
    assert (level, "The right owners.read is missing." in says) == ("warning", True)


async def test_the_rows_of_one_form_are_told_at_their_lines(tmp_path: Path, ledger: SalesCrm) -> None:
    own = '[orgs.crm.form_fields.contact]\n"custom.Budget" = "gone"\n"constant:xl" = "size"\n'
    gone, size = await of_ledger(tmp_path, LEDGER + own)
    assert gone[1].startswith(":9  globex/crm/ledger form_fields.contact.custom.Budget: ")
    assert (size[0], size[1][:4]) == ("failed", ":10 ")


async def test_what_is_required_may_be_filled_by_the_rows_of_every_form(tmp_path: Path, ledger: SalesCrm) -> None:
    ledger.fields = [*FIELDS, FieldDef("region", "Region", "text", required=True)]
    one = LEDGER + 'forms = ["contact"]\n'
    own = '[orgs.crm.form_fields.contact]\n"custom.Region" = "region"\n'
    [(level, _)] = await of_ledger(tmp_path, one + own)
    assert level == "ok"
    [(level, says)] = await of_ledger(tmp_path / "all", LEDGER + own)
    assert (level, "requires Region" in says) == ("failed", True)


async def test_an_entry_is_put_to_its_crm_before_it_is_applied(tmp_path: Path, ledger: SalesCrm) -> None:
    told = await of_ledger(tmp_path, f'{LEDGER}[orgs.crm.fields]\nemail = "gone"\n', applied="")
    assert [(level, "no property gone" in says) for level, says in told] == [("warning", True)]


async def test_a_copy_is_asked_as_the_connection_that_it_will_take_over(tmp_path: Path) -> None:
    """Its org was made by hand too, and belongs to the file only from the next start on."""
    async with started(tmp_path, "") as instance:
        copy = await copied_by_hand(instance)
        file = instance.machine.settings.file
        assert file is not None
        file.write_text(f'[[orgs]]\nkey = "globex"\n{copy}')
        told = (await checks_connections.examine(instance.machine, {}))["checks"]
        assert [(each["level"], "globex/crm/main" in each["says"]) for each in told] == [("ok", True)]


async def test_nobody_has_signed_in_yet(tmp_path: Path) -> None:
    text = '[[orgs]]\nkey = "globex"\n[[orgs.crm]]\nkey = "main"\nkind = "hubspot"\nway = "oauth"\n'
    async with started(tmp_path, text) as instance:
        [told] = (await checks_connections.examine(instance.machine, {}))["checks"]
        assert await declared.apply(instance.machine)
    assert (told["level"], "somebody signs in" in told["cure"]) == ("failed", True)


async def test_a_file_that_the_server_cannot_read_so_is_told(tmp_path: Path, ledger: SalesCrm) -> None:
    async with started(tmp_path, LEDGER) as instance:
        file = instance.machine.settings.file
        assert file is not None
        file.write_text(f'{LEDGER}nothing = "x"\n')
        told = (await checks_connections.examine(instance.machine, {}))["checks"]
        assert ("failed", True) in [(each["level"], "nothing" in each["says"]) for each in told]
        file.write_text(LEDGER)
        assert [step.action for step in await declared.apply(instance.machine)] == [Action.KEEP] * 3


async def without_server(tmp_path: Path, portal: HubSpotFake, text: str) -> list[Finding]:
    """Before the file is at the machine where it will serve: no database, no server."""
    file = tmp_path / "site2crm.toml"
    allowed = '[outbound]\nallow_private = ["127.0.0.1"]\n'
    file.write_text(f'[connectors.hubspot]\nbase_url = "{portal.url}"\n{allowed}{text}')
    settings = config.load(file, env={}, flags={"data.dir": str(tmp_path / "data")})
    feature.install(FEATURES)
    found = await checks_connections.alone(settings)
    assert not (tmp_path / "data").exists()
    return found


@pytest.fixture
async def portal() -> AsyncIterator[HubSpotFake]:
    fake = HubSpotFake()
    await fake.start()
    yield fake
    await fake.stop()


HUBSPOT = f'[[orgs]]\nkey = "globex"\n[[orgs.crm]]\nkey = "main"\nkind = "hubspot"\ntoken = "{TOKEN}"\n'
SIGN_IN = '[[orgs.crm]]\nkey = "other"\nkind = "hubspot"\nway = "oauth"\n'


async def test_without_a_server_the_file_alone_is_asked(tmp_path: Path, portal: HubSpotFake) -> None:
    said, told = await without_server(tmp_path, portal, HUBSPOT + SIGN_IN)
    assert (said.level, "while the server runs" in said.says) == ("ok", True)
    assert (told.level, "globex/crm/main answers as HubSpot account" in told.says) == ("ok", True)


async def test_without_a_server_rows_of_the_file_are_judged(tmp_path: Path, portal: HubSpotFake) -> None:
    rows = '[orgs.crm.fields]\nemail = "email"\nphone = "gone"\n'
    _, told = await without_server(tmp_path, portal, HUBSPOT + rows)
    assert (told.level, "site2crm.toml:13  globex/crm/main fields.phone: " in told.says) == ("warning", True)


async def test_without_a_server_a_dead_token_fails(tmp_path: Path, portal: HubSpotFake) -> None:
    portal.tokens.clear()
    _, told = await without_server(tmp_path, portal, HUBSPOT)
    assert (told.level, "site2crm.toml:10  globex/crm/main token: HubSpot says no" in told.says) == ("failed", True)
