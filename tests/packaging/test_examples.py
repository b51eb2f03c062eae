"""packaging/examples: each is read by `site2crm check` without a problem, and none leaves out what may be set."""

import re
import shutil
import tomllib
from collections.abc import Collection
from pathlib import Path

import pytest
from click.testing import CliRunner

from site2crm.commands.check import command as check
from site2crm.connectors.declaring import OWN_KEYS
from site2crm.connectors.inbox.kind import INBOX
from site2crm.connectors.kinds import ConnectorKind, Way
from site2crm.connectors.registry import KINDS
from site2crm.core.declared.reading import NAMING
from site2crm.core.feature import declared_tables, install
from site2crm.features import FEATURES
from tests.server import ROOT

EXAMPLES = ROOT / "packaging" / "examples"
OF_A_KIND = {"webhook": "custom"}
SECRETS = {
    "acme-hubspot-token": "pat-eu1-11111111-2222-3333-4444-555555555555",
    "globex-salesforce-app": "8" * 64,
    "acme-hubspot-app": "9" * 32,
    "initech-pipedrive-app": "d4" * 20,
    "initech-pipedrive-token": "a1" * 20,
    "umbrella-zoho-app": "b2" * 21,
    "hooli-nutshell-key": "c3" * 20,
    "stark-webhook-secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}

RULES = "# Left out: as set in the browser.\n"
COMMENTED = re.compile(r"#[a-z_]+(\.\w+)? = ")
OF_THE_SIGN_IN = ("way", "client_id", "client_secret")
CRMS = [kind for kind in KINDS.values() if kind is not INBOX]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with everybody's secrets."""
    for name, secret in SECRETS.items():
        (tmp_path / name).write_text(secret + "\n")
        (tmp_path / name).chmod(0o600)
    return tmp_path


def checked(folder: Path, text: str) -> str:
    file = folder / "site2crm.toml"
    file.write_text(text)
    told = CliRunner().invoke(check, ["--config", str(file), "--data-dir", str(folder)])
    assert told.exit_code == 0, told.output
    return told.output


@pytest.mark.parametrize("kind", CRMS, ids=lambda kind: kind.name)
def test_each_crm_has_an_example_without_a_problem(folder: Path, kind: ConnectorKind) -> None:
    assert "It declares 3 orgs, forms and CRMs" in checked(folder, example(kind))


def test_all_of_them_may_stand_in_one_file(folder: Path) -> None:
    told = checked(folder, "".join(example(kind) for kind in CRMS))
    assert f"It declares {3 * len(CRMS)} orgs, forms and CRMs" in told


@pytest.mark.parametrize("kind", CRMS, ids=lambda kind: kind.name)
def test_each_setting_of_the_kind_is_in_it_even_if_commented_out(kind: ConnectorKind) -> None:
    lines = example(kind).splitlines()
    missing = [field.name for field in kind.settings if not any(_sets(line, field.name) for line in lines)]
    assert missing == []


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_no_setting_is_called_as_what_every_entry_has(kind: ConnectorKind) -> None:
    install(FEATURES)
    assert "orgs.crm" in declared_tables()
    taken: Collection[str] = {*NAMING, *OWN_KEYS}
    assert [field.name for field in kind.settings if field.name in taken] == []


def test_what_only_the_binary_and_the_package_need_is_there_too(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "site2crm.toml", tmp_path)
    told = CliRunner().invoke(check, ["--config", str(tmp_path / "site2crm.toml"), "--data-dir", str(tmp_path)])
    assert told.exit_code == 0, told.output


@pytest.mark.parametrize("kind", [kind for kind in CRMS if kind.sales], ids=lambda kind: kind.name)
def test_the_rules_that_are_commented_out_are_right_too(folder: Path, kind: ConnectorKind) -> None:
    head, rules = example(kind).split(RULES)
    checked(folder, head + "\n".join(line.removeprefix("#") for line in rules.splitlines()) + "\n")


@pytest.mark.parametrize("kind", CRMS, ids=lambda kind: kind.name)
def test_each_line_that_is_commented_out_is_right_where_it_stands(folder: Path, kind: ConnectorKind) -> None:
    lines = example(kind).partition(RULES)[0].splitlines()
    for number, line in enumerate(lines):
        if COMMENTED.match(line) and line.removeprefix("#").partition(" ")[0] not in OF_THE_SIGN_IN:
            checked(folder, "\n".join([*lines[:number], line.removeprefix("#"), *lines[number + 1 :]]) + "\n")


@pytest.mark.parametrize("kind", [kind for kind in CRMS if len(kind.ways) > 1], ids=lambda kind: kind.name)
def test_somebody_may_sign_in_instead(folder: Path, kind: ConnectorKind) -> None:
    own = {field.name for field in kind.settings if field.way is Way.KEY}
    head = example(kind).partition(RULES)[0]
    lines = [line for line in head.splitlines() if line.partition(" ")[0] not in own]
    told = [
        line.removeprefix("#") if line.removeprefix("#").partition(" ")[0] in OF_THE_SIGN_IN else line for line in lines
    ]
    assert 'way = "oauth"' in "\n".join(told)
    checked(folder, "\n".join(told) + "\n")


@pytest.mark.parametrize("kind", CRMS, ids=lambda kind: kind.name)
def test_the_rows_are_those_that_are_suggested(kind: ConnectorKind) -> None:
    [org] = tomllib.loads(example(kind))["orgs"]
    [entry] = org.get("crm", []) or org["webhooks"]
    assert entry["fields"] == kind.default_mapping


def example(kind: ConnectorKind) -> str:
    return (EXAMPLES / f"{OF_A_KIND.get(kind.name, kind.name)}.toml").read_text()


def _sets(line: str, name: str) -> bool:
    return line.removeprefix("#").startswith(f"{name} = ")
