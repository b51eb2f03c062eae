"""Settings as the text of `site2crm.toml`: what `site2crm init` writes."""

import json
import re
import textwrap

from site2crm.core.config_schema import SECTIONS, Connector
from site2crm.core.config_section import Section, settings_of
from site2crm.kit.text import fold

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")

_HEAD = """\
# Site2CRM. Every setting stands here at its default: remove the "#" before the name to change it.
# A flag wins over the environment (SITE2CRM__SERVER__LISTEN=...), which wins over this file.
# SITE2CRM__MAIL__URL__FILE=/run/secrets/mail reads a value from a file; lists in the environment are JSON.
# Durations: "90s" "5m" "24h" "14d". Sizes: "512KiB" "1MiB" "2GiB".
# Secrets: { env = "NAME" }, { file = "path" } (relative: in the data folder) or the text itself.
# `site2crm check` says what is wrong, with the line.
"""


ORGS = """\
[[orgs]]
key = "acme"                  # names it for good; its address too, unless slug says another
name = "Acme GmbH"
time_zone = "Europe/Berlin"

[[orgs.forms]]
key = "contact"
name = "Contact"
allowed_origins = ["https://www.acme.example"]

[[orgs.crm]]
key = "hubspot"
kind = "hubspot"
token = { env = "ACME_HUBSPOT_TOKEN" }
forms = ["contact"]           # left out: the leads of every form
[orgs.crm.fields]             # our field = the CRM's; left out: suggested, then changed in the browser
email = "email"
first_name = "firstname"
last_name = "lastname"

[[orgs.webhooks]]
key = "crm"
url = "https://crm.acme.example/leads"
secret = { file = "acme-webhook-secret" }
"""
"""An example of what `[[orgs]]` may declare."""
_ORGS = """
# Orgs, forms and CRMs may stand here too instead of being made in the browser; `site2crm plan` shows what would
# change, the next start or SIGHUP applies it. What stands here is only changed here. One that is removed from here is
# not deleted: a CRM is paused, an org and a form stay and may be changed in the browser again.
"""


def render() -> str:
    """The whole file, every setting explained and commented out."""
    sections = [f"\n[{name}]\n{_section(section)}" for name, section in SECTIONS.items()]
    example = f"\n# One section for each kind of CRM, such as hubspot.\n#[connectors.hubspot]\n{_section(Connector)}"
    return _HEAD + "".join([*sections, example, _ORGS, textwrap.indent(ORGS, "#", lambda _: True)])


def key(name: str) -> str:
    """A key as TOML: in quotes where it has to be."""
    return name if _BARE_KEY.fullmatch(name) else _text(name)


def key_of(name: str) -> str:
    """A name for an entry, made from what people call it."""
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in fold(name))
    return "-".join(part for part in plain.split("-") if part)[:60] or "entry"


def literal(value: object) -> str:
    """A value as TOML: JSON is, but for tables."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key(name)} = {literal(item)}" for name, item in value.items()) + " }"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False, default=str)


def _text(value: str) -> str:
    # JSON escapes a character that TOML forbids in its own way but for this one.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _section(section: type[Section]) -> str:
    return "\n".join(_setting(name, setting.default, setting.doc) for name, _, setting in settings_of(section))


def _setting(name: str, default: object, doc: str) -> str:
    explained = textwrap.fill(doc, 108, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    return f"{explained}\n#{name} = {literal(default)}\n"
