"""Settings: flag > environment > file > default, all problems at once, each with its place and its cure.

    SITE2CRM__SERVER__LISTEN=0.0.0.0:80          a setting by its name; lists as JSON
    SITE2CRM__MAIL__URL__FILE=/run/secrets/mail  the same from a file, for secrets in containers

What one of these sets is locked in the dashboard, which shows `Settings.source`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from site2crm.core import config_keys, config_rules, config_schema, config_sources, config_storage, folder
from site2crm.core.config_keys import Keys, KeyUnusable
from site2crm.core.config_schema import SECTIONS, Connector
from site2crm.core.config_section import Section, Setting, settings_of
from site2crm.core.config_sources import CONNECTOR, KNOWN, Found, Problem
from site2crm.core.config_text import literal
from site2crm.core.config_types import ClickHouse, IpPrivacy, Listen, LogFormat, LogLevel, Network, Secret
from site2crm.core.config_values import DUCKDB, SQLITE, clickhouse

__all__ = [
    "ClickHouse",
    "ConfigInvalid",
    "Explained",
    "IpPrivacy",
    "KeyUnusable",
    "Keys",
    "Listen",
    "LogFormat",
    "LogLevel",
    "Network",
    "Problem",
    "Secret",
    "Settings",
    "load",
]

S = TypeVar("S", bound=Section)
Values = dict[str, object]


class ConfigInvalid(Exception):
    """Everything that is wrong with the configuration."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class Explained(msgspec.Struct, frozen=True):
    """A setting as the dashboard and `check` show it; values are TOML, secrets `***`."""

    key: str
    value: str
    default: str
    doc: str
    source: str


class Settings(msgspec.Struct, frozen=True):
    server: config_schema.Server
    data: config_storage.Data
    database: config_storage.Database
    events: config_storage.Events
    queue: config_schema.Queue
    secrets: config_storage.Secrets
    auth: config_schema.Auth
    mail: config_schema.Mail
    intake: config_schema.Intake
    links: config_schema.Links
    outbound: config_schema.Outbound
    backup: config_storage.Backup
    limits: config_storage.Limits
    log: config_schema.Log
    privacy: config_schema.Privacy
    connectors: dict[str, Connector]
    explained: dict[str, Explained]
    file: Path | None = None
    """Where `[[orgs]]` stand, which are read when they are applied (core/declared)."""

    def source(self, key: str) -> str:
        """Who says so: "default", "environment SITE2CRM__...", "site2crm.toml line 42" or "command line"."""
        return self.explained[key].source

    def explain(self) -> list[Explained]:
        """Every setting, in the order of the file."""
        return list(self.explained.values())

    @property
    def records(self) -> Path | Secret:
        """Where the records are: SQLite's file, or the address of a PostgreSQL."""
        url = self.database.url
        return self.data.dir / folder.DATABASE if url.reveal() == SQLITE else url

    @property
    def clickhouse(self) -> ClickHouse | None:
        """Where clicks are counted, unless in a file of the data folder."""
        url = self.events.url.reveal()
        return None if url == DUCKDB else clickhouse(url)

    @property
    def base_url(self) -> str:
        """What every link that we write begins with."""
        return self.server.public_url or f"http://{self.server.listen}"

    def connector_url(self, kind: str) -> str:
        """What replaces the vendor's host for connectors of this kind; empty: the vendor's own."""
        return self.connectors[kind].base_url if kind in self.connectors else ""

    def keys(self) -> Keys:
        """The keys of the vault; the first start makes the key file."""
        return config_keys.load_keys(self.secrets.key, self.secrets.previous_keys)


def load(path: Path | None, *, env: Mapping[str, str], flags: Mapping[str, str]) -> Settings:
    """Read all settings, or raise ConfigInvalid with every problem."""
    found, problems = config_sources.gather(path, env=env, flags=flags)
    values: Values = {}
    for key, setting in _all_settings(found):
        try:
            values[key] = _read(key, setting, found=found, values=values, env=env, path=path)
        except ValueError as error:
            problems.append(_place(found, key, path).problem(key, str(error)))
    problems += [_place(found, key, path).problem(key, message) for key, message in config_rules.conflicts(values)]
    if problems:
        raise ConfigInvalid(sorted(problems, key=lambda problem: (problem.file, problem.line or 0)))
    return msgspec.structs.replace(_settings(values, found), file=path)


def _all_settings(found: Mapping[str, Found]) -> Iterator[tuple[str, Setting]]:
    # data comes first: relative secret files lie in its folder
    for section in sorted(KNOWN, key=lambda name: name != "data"):
        yield from ((f"{section}.{name}", setting) for name, setting in KNOWN[section].items())
    for kind in _kinds(found):
        yield from ((f"connectors.{kind}.{name}", setting) for name, setting in CONNECTOR.items())


def _read(
    key: str,
    setting: Setting,
    *,
    found: Mapping[str, Found],
    values: Values,
    env: Mapping[str, str],
    path: Path | None,
) -> object:
    written = found[key].value if key in found else setting.default
    if setting.secret:
        folder = values.get("data.dir")
        written = _revealed(key, written, env=env, folder=folder if isinstance(folder, Path) else Path())
    value = setting.read(written)
    if key == "data.dir" and isinstance(value, Path):
        inside_file = path is not None and (key not in found or found[key].line is not None)
        return ((path.parent if path and inside_file else Path()) / value).absolute()
    return value


def _revealed(key: str, written: object, *, env: Mapping[str, str], folder: Path) -> object:
    makes_file = key == "secrets.key"
    if isinstance(written, list):
        return [config_keys.resolve(item, env=env, folder=folder, makes_file=False) for item in written]
    return config_keys.resolve(written, env=env, folder=folder, makes_file=makes_file)


def _place(found: Mapping[str, Found], key: str, path: Path | None) -> Found:
    return found.get(key) or Found(None, "default", str(path) if path else "default")


def _kinds(found: Mapping[str, Found]) -> list[str]:
    return sorted({key.split(".")[1] for key in found if key.startswith("connectors.")})


def _settings(values: Values, found: Mapping[str, Found]) -> Settings:
    explained = {key: _explained(key, setting, found) for key, setting in _all_settings(found)}
    sections = {name: _section(section, name, values) for name, section in SECTIONS.items()}
    connectors = {kind: _section(Connector, f"connectors.{kind}", values) for kind in _kinds(found)}
    ordered = {key: explained[key] for key in sorted(explained, key=_file_order)}
    return Settings(**sections, connectors=connectors, explained=ordered)  # type: ignore[arg-type]


def _section(section: type[S], name: str, values: Values) -> S:
    return section(**{attribute: values[f"{name}.{key}"] for key, attribute, _ in settings_of(section)})


def _explained(key: str, setting: Setting, found: Mapping[str, Found]) -> Explained:
    default = literal(setting.default)
    if key not in found:
        return Explained(key, default, default, setting.doc, "default")
    value = "***" if setting.secret else literal(found[key].value)
    return Explained(key, value, default, setting.doc, found[key].source)


def _file_order(key: str) -> int:
    return [*KNOWN, "connectors"].index(key.partition(".")[0])
