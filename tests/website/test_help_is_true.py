"""What the help texts say is what the code does."""

import asyncio
import html
import importlib.util
import json
import re
import shutil
from pathlib import Path

import click
import httpx
import pytest

from site2crm import cli
from site2crm.accounts.authentication import KEY_LIMIT
from site2crm.accounts.permissions import ROLES, Permission, Role
from site2crm.commands.options import Exit
from site2crm.connectors import registry
from site2crm.connectors.webhook import signing
from site2crm.core import config, folder, resources
from site2crm.core.idempotency import KEPT, LONGEST_KEY
from site2crm.core.paging import DEFAULT_LIMIT, MAX_LIMIT
from site2crm.forms.fields import FieldType
from site2crm.kit import clock
from site2crm.website import facts, problems
from site2crm.website.articles import ARTICLES

SOURCES = Path(facts.__file__).parents[1]
SAMPLES = resources.templates() / "help" / "samples"
BODY, WEBHOOK_ID = b'{"type": "ping"}', "dlv_1"


async def text_of(visitor: httpx.AsyncClient, slug: str) -> str:
    return html.unescape((await visitor.get(f"/help/{slug}")).text)


async def test_every_setting_is_explained(visitor: httpx.AsyncClient) -> None:
    text = await text_of(visitor, "configuration")
    settings = config.load(None, env={"SITE2CRM__CONNECTORS__HUBSPOT__BASE_URL": "https://x.example"}, flags={})

    missing = [s.key for s in settings.explain() if s.doc not in text or f'id="{s.key.replace(".", "-")}"' not in text]
    assert missing == []


async def test_the_environment_names_are_those_that_are_read(visitor: httpx.AsyncClient) -> None:
    text = await text_of(visitor, "configuration")
    settings = config.load(None, env={"SITE2CRM__SERVER__PUBLIC_URL": "https://leads.example.org"}, flags={})

    assert "SITE2CRM__SERVER__PUBLIC_URL" in text
    assert settings.base_url == "https://leads.example.org"


async def test_every_error_code_is_explained(visitor: httpx.AsyncClient) -> None:
    text = await text_of(visitor, "problems")
    # `code = "x"`, `status, code, title = 404, "x", ...` and `code, title = "x", ...` in a class of an errors module
    written = {
        code
        for path in SOURCES.rglob("errors.py")
        for code in re.findall(r"^    (?:\w+, )*code\b[^=\n]*= (?:\d+, )?\"([a-z_]+)\"", path.read_text(), re.MULTILINE)
    }

    assert len(written) > 25 and "events_unavailable" in written
    assert [code for code in sorted(written) if f'id="{code}"' not in text] == []


async def test_every_unreadable_body_is_explained(visitor: httpx.AsyncClient) -> None:
    text = await text_of(visitor, "problems")
    forms = "\n".join(path.read_text() for path in (SOURCES / "forms").glob("*.py"))
    codes = re.findall(r"BodyRefused\(\s*(\d+),\s*\"([a-z-]+)\"", forms)

    assert codes
    assert [code for status, code in codes if problems.BODIES[code].status != int(status)] == []
    assert [code for _, code in codes if f'id="{code}"' not in text] == []


def test_an_error_without_advice_takes_that_of_its_kind() -> None:
    known = {problem.code: problem for problem in problems.problems()}

    assert known["lead_not_found"].advice == problems.ADVICE["not_found"]


@pytest.mark.parametrize("kind", registry.KINDS.values(), ids=lambda kind: kind.name)
def test_every_kind_of_crm_has_its_page(kind: object) -> None:
    assert getattr(kind, "help_slug", "") in ARTICLES


async def test_the_rights_of_the_token_are_those_that_the_connector_asks_for(visitor: httpx.AsyncClient) -> None:
    text = await text_of(visitor, "hubspot")

    assert [right for right in registry.KINDS["hubspot"].rights if right not in text] == []


async def test_every_role_and_right_is_in_the_table(visitor: httpx.AsyncClient) -> None:
    text = await text_of(visitor, "team")
    columns = [ROLES[role] for role in (Role.VIEWER, Role.MEMBER, Role.ADMIN, Role.OWNER)]

    shown = {right: row.count("<svg") for right, row in re.findall(r"<tr><td><code>(\w+:\w+)</code>(.*?)</tr>", text)}
    assert shown == {right.value: sum(right in rights for rights in columns) for right in Permission}


async def test_every_type_of_field_is_named(visitor: httpx.AsyncClient) -> None:
    text = await text_of(visitor, "create-a-form")

    assert [kind for kind in FieldType if f"<code>{kind.value}</code>" not in text] == []


async def test_the_schedule_is_the_one_that_is_set(visitor: httpx.AsyncClient) -> None:
    known = facts.of(config.load(None, env={}, flags={}))

    assert [wait.wait for wait in known.waits][:5] == ["0 s", "5 s", "30 s", "2 min", "10 min"]
    assert known.schedule_length == "75.7 h"
    assert "75.7 h" in await text_of(visitor, "deliveries")


async def test_the_limits_of_the_api_are_right(visitor: httpx.AsyncClient) -> None:
    text = await text_of(visitor, "api")

    assert f"{KEY_LIMIT} requests a minute" in text
    assert f"{KEPT.total_seconds() / 3600:.0f} hours" in text
    assert f"up to {LONGEST_KEY} characters" in text
    assert f"1 to {MAX_LIMIT}; without it you get {DEFAULT_LIMIT}" in text


async def test_the_exit_codes_are_right(visitor: httpx.AsyncClient) -> None:
    text = await text_of(visitor, "command-line")
    table = text[text.index('aria-label="Exit codes"') :]

    assert {int(code) for code in re.findall(r'<td class="num">(\d+)</td>', table)} == {int(code) for code in Exit}


async def test_every_verb_is_explained(visitor: httpx.AsyncClient) -> None:
    text = await text_of(visitor, "command-line")

    assert [verb for verb in cli.VERBS if f"site2crm {verb}" not in text] == []


def commands_in_help() -> list[str]:
    sources = [*(resources.templates() / "help").glob("*.html"), *SAMPLES.glob("*.sh")]
    found = {line for path in sources for line in re.findall(r"site2crm [a-z][^\"`<\\\n|]*", path.read_text())}
    return sorted(line for line in found if line.split()[1] in cli.VERBS)


@pytest.mark.parametrize("line", commands_in_help())
def test_every_command_in_the_help_exists(line: str) -> None:
    words = line.split()[1:]
    if importlib.util.find_spec(f"site2crm.commands.{words[0]}") is None:
        pytest.skip(f"{words[0]} is not written yet")

    command = cli.main.get_command(click.Context(cli.main), words[0])
    if isinstance(command, click.Group):
        command = command.get_command(click.Context(command), words[1].rstrip(".,")) if len(words) > 1 else None
    assert command is not None
    options = {option for parameter in command.params for option in parameter.opts}
    assert [word for word in words if word.startswith("--") and word not in options] == []


async def test_the_data_folder_is_described_as_it_is(visitor: httpx.AsyncClient) -> None:
    text = await text_of(visitor, "data")

    names = [folder.DATABASE, f"{folder.JOURNAL}/", f"{folder.BACKUPS}/", folder.LOCK]
    assert [name for name in names if f"<code>{name}</code>" not in text] == []


def test_the_python_sample_accepts_our_signature_and_no_other() -> None:
    space: dict[str, object] = {}
    exec((SAMPLES / "verify.py").read_text(), space)
    is_genuine = space["is_genuine"]
    secret = signing.new_secret()

    assert callable(is_genuine)
    assert is_genuine(secret, signed(secret), BODY)
    assert not is_genuine(secret, signed(secret), BODY + b" ")
    assert not is_genuine(signing.new_secret(), signed(secret), BODY)


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
async def test_the_node_sample_accepts_our_signature_and_no_other() -> None:
    secret = signing.new_secret()
    script = (
        f"import {{ isGenuine }} from {json.dumps(str(SAMPLES / 'verify.mjs'))};"
        f"const headers = {json.dumps(signed(secret))};"
        f"const body = Buffer.from({json.dumps(BODY.decode())});"
        f"console.log(isGenuine({json.dumps(secret)}, headers, body),"
        f" isGenuine({json.dumps(secret)}, headers, Buffer.from('other')));"
    )
    node = await asyncio.create_subprocess_exec(
        "node", "--input-type=module", "-e", script, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await node.communicate()

    assert output.split() == [b"true", b"false"]


def signed(secret: str) -> dict[str, str]:
    key = signing.key_of(secret)
    assert key is not None
    return signing.sign(key, BODY, id=WEBHOOK_ID, timestamp=int(clock.unix()))
