"""The README promises nothing that is not there."""

import re
from pathlib import Path

from site2crm import cli
from site2crm.commands.options import Exit

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"\bmake ([a-z]+)\b", README)) - {"and", "a"} <= targets


def test_every_verb_is_named() -> None:
    assert [verb for verb in cli.VERBS if f"`{verb}" not in README] == []


def test_every_folder_and_file_of_the_map_exists() -> None:
    drawn = re.findall(r"^  (\w+[/.]\w*)", README, re.MULTILINE)

    assert len(drawn) > 9
    assert [name for name in drawn if not (ROOT / "src" / "site2crm" / name).exists()] == []


def test_every_module_that_it_names_exists() -> None:
    named = re.findall(r"`(\w+/\w+(?:\.py|/))`", README)

    assert named
    assert [name for name in named if not (ROOT / "src" / "site2crm" / name).exists()] == []


def test_the_exit_codes_are_those_of_the_program() -> None:
    listed = README[README.index("Exit codes:") :].partition("\n\n")[0]

    assert {int(code) for code in re.findall(r"\b\d+\b", listed)} == {int(code) for code in Exit}
