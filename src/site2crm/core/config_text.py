"""Settings as the text of `site2crm.toml`: what `site2crm init` writes."""

import json
import textwrap

from site2crm.core.config_schema import SECTIONS, Connector
from site2crm.core.config_section import Section, settings_of

_HEAD = """\
# Site2CRM. Every setting stands here at its default: remove the "#" before the name to change it.
# A flag wins over the environment (SITE2CRM__SERVER__LISTEN=...), which wins over this file.
# SITE2CRM__MAIL__URL__FILE=/run/secrets/mail reads a value from a file; lists in the environment are JSON.
# Durations: "90s" "5m" "24h" "14d". Sizes: "512KiB" "1MiB" "2GiB".
# Secrets: { env = "NAME" }, { file = "path" } (relative: in the data folder) or the text itself.
# `site2crm check` says what is wrong, with the line.
"""


def render() -> str:
    """The whole file, every setting explained and commented out."""
    sections = [f"\n[{name}]\n{_section(section)}" for name, section in SECTIONS.items()]
    example = f"\n# One section for each kind of CRM, such as hubspot.\n#[connectors.hubspot]\n{_section(Connector)}"
    return _HEAD + "".join([*sections, example])


def literal(value: object) -> str:
    """A value as TOML: JSON is, but for tables."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {literal(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False, default=str)


def _section(section: type[Section]) -> str:
    return "\n".join(_setting(name, setting.default, setting.doc) for name, _, setting in settings_of(section))


def _setting(name: str, default: object, doc: str) -> str:
    explained = textwrap.fill(doc, 108, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    return f"{explained}\n#{name} = {literal(default)}\n"
