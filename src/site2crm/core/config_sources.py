"""What flags, environment and file say, still unread: one value per setting, with the place that it came from."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from site2crm.core import config_lines
from site2crm.core.config_schema import SECTIONS, Connector
from site2crm.core.config_section import Setting, settings_of

PREFIX = "SITE2CRM__"
ORGS = "orgs"
KNOWN: dict[str, dict[str, Setting]] = {
    name: {key: setting for key, _, setting in settings_of(section)} for name, section in SECTIONS.items()
}
CONNECTOR: dict[str, Setting] = {key: setting for key, _, setting in settings_of(Connector)}
_KIND = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Problem(msgspec.Struct, frozen=True):
    file: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}  {self.key}: {self.message}" if self.key else f"{place}  {self.message}"


class Found(msgspec.Struct, frozen=True):
    value: object
    source: str
    file: str
    line: int | None = None

    def problem(self, key: str, message: str) -> Problem:
        return Problem(self.file, self.line, key, message)


class Written(msgspec.Struct, frozen=True):
    """What `[[orgs]]` of a file say, unread. Whoever reads it says what is wrong: that stops no start."""

    path: Path
    orgs: object = msgspec.field(default_factory=list)
    lines: Mapping[config_lines.Place, int] = msgspec.field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Written({self.path})"  # tokens may stand in it

    def line(self, place: config_lines.Place) -> int | None:
        """Of a key, or of the table that it is missing in."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place)

    def source(self, place: config_lines.Place) -> str:
        """As `Settings.source` says it."""
        return f"{self.path.name} line {self.line(place)}"


def declared(path: Path) -> tuple[Written, list[Problem]]:
    """What the file says of orgs now; a problem if it cannot be read."""
    problems: list[Problem] = []
    tables, text = _parsed(path, problems)
    return Written(path, tables.get(ORGS, []), config_lines.places(text)), problems


def gather(
    path: Path | None, *, env: Mapping[str, str], flags: Mapping[str, str]
) -> tuple[dict[str, Found], list[Problem]]:
    """Later ones win: file, environment, flags."""
    problems: list[Problem] = []
    found = _from_file(path, problems) if path else {}
    found |= _from_environment(env, problems)
    for key, text in flags.items():
        if setting := _known(key, "command line", problems):
            found[key] = Found(_written(setting, text), "command line", "command line")
    return found, problems


def setting_of(key: str) -> Setting | None:
    section, _, name = key.partition(".")
    if section != "connectors":
        return KNOWN.get(section, {}).get(name)
    kind, _, name = name.partition(".")
    return CONNECTOR.get(name) if _KIND.fullmatch(kind) else None


def _parsed(path: Path, problems: list[Problem]) -> tuple[dict[str, object], str]:
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        return tomllib.loads(text), text
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        problems.append(_unreadable(path, error))
        return {}, ""


def _from_file(path: Path, problems: list[Problem]) -> dict[str, Found]:
    file = str(path)
    tables, text = _parsed(path, problems)
    tables.pop(ORGS, None)  # read by itself, when everything else is known
    lines = config_lines.lines(text)
    found: dict[str, Found] = {}
    for keys, value in _leaves(tables, file, lines, problems):
        key, line = ".".join(keys), lines.get(keys)
        if setting_of(key) is None:
            problems.append(Problem(file, line, key, _unknown(key)))
        else:
            found[key] = Found(value, f"{path.name} line {line}", file, line)
    return found


def _leaves(
    tables: Mapping[str, object], file: str, lines: Mapping[config_lines.Path, int], problems: list[Problem]
) -> Iterable[tuple[tuple[str, ...], object]]:
    for section, table in _split(tables, (), file, lines, problems):
        if section[0] not in KNOWN and section[0] != "connectors":
            yield section, table
        elif section[0] == "connectors":
            for kind, settings in _split(table, section, file, lines, problems):
                yield from (((*kind, name), value) for name, value in settings.items())
        else:
            yield from (((*section, name), value) for name, value in table.items())


def _split(
    table: Mapping[str, object],
    above: tuple[str, ...],
    file: str,
    lines: Mapping[config_lines.Path, int],
    problems: list[Problem],
) -> Iterable[tuple[tuple[str, ...], dict[str, object]]]:
    """The tables inside a table; everything else there is a problem."""
    for name, value in table.items():
        keys = (*above, name)
        if isinstance(value, dict):
            yield keys, value
        elif not above and name not in KNOWN and name != "connectors":
            problems.append(Problem(file, lines.get(keys), name, _unknown(name)))
        else:
            message = f"this is a table: write [{'.'.join(keys)}] on a line of its own, its settings below"
            problems.append(Problem(file, lines.get(keys), ".".join(keys), message))


def _from_environment(env: Mapping[str, str], problems: list[Problem]) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for variable in sorted(name for name in env if name.startswith(PREFIX)):
        name = variable.removesuffix("__FILE")
        if name != variable and name in env:
            problems.append(Problem("environment", None, variable, f"{name} is set too; keep one of the two"))
            continue
        key = name.removeprefix(PREFIX).lower().replace("__", ".")
        setting = _known(key, f"environment {variable}", problems)
        if setting is None:
            continue
        try:
            text = env[variable] if name == variable else Path(env[variable]).read_text("utf-8").rstrip("\r\n")
        except (OSError, ValueError) as error:
            problems.append(
                Problem(f"environment {variable}", None, key, f"cannot read {env[variable]}: {_why(error)}")
            )
            continue
        found[key] = Found(_written(setting, text), f"environment {variable}", f"environment {variable}")
    return found


def _known(key: str, file: str, problems: list[Problem]) -> Setting | None:
    setting = setting_of(key)
    if setting is None:
        problems.append(Problem(file, None, key, _unknown(key)))
    return setting


def _written(setting: Setting, text: str) -> object:
    """A text as if it stood in the file; what is no JSON stays text, and its reader says what to write."""
    if isinstance(setting.default, str) and not (setting.secret and text.startswith("{")):
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _unknown(key: str) -> str:
    section, _, name = key.partition(".")
    if section == "connectors":
        return f"unknown; write [connectors.<kind>] with {', '.join(CONNECTOR)}"
    if section in KNOWN:
        near, home = difflib.get_close_matches(name, KNOWN[section], n=1), _home_of(name)
        if near or not home:
            return (
                f'unknown; did you mean "{near[0]}"?'
                if near
                else f"unknown; [{section}] has {', '.join(KNOWN[section])}"
            )
        return f"unknown here; it belongs under [{home}]"
    if home := _home_of(section):
        return f"it belongs under [{home}]"
    near = difflib.get_close_matches(section, [*KNOWN, "connectors"], n=1)
    return f"unknown section; did you mean [{near[0]}]?" if near else f"unknown section; there are {', '.join(KNOWN)}"


def _home_of(name: str) -> str | None:
    return next((section for section, settings in KNOWN.items() if name in settings), None)


def _unreadable(path: Path, error: Exception) -> Problem:
    if path.is_dir():
        return Problem(str(path), None, "", f"this is a folder; name the file in it: {path / 'site2crm.toml'}")
    if isinstance(error, FileNotFoundError):
        return Problem(str(path), None, "", "there is no such file; `site2crm init` writes one")
    if isinstance(error, UnicodeDecodeError):
        return Problem(
            str(path), error.object.count(b"\n", 0, error.start) + 1, "", "not UTF-8; save the file as UTF-8"
        )
    if isinstance(error, OSError):
        return Problem(str(path), None, "", f"cannot be read: {_why(error)}")
    line = re.search(r"\(at line (\d+), column \d+\)", str(error))
    what = re.sub(r" \(at .*", "", str(error), flags=re.DOTALL)
    cure = 'no valid TOML; a setting is `name = "text"`, `name = 3` or `name = true`, a section [name]'
    return Problem(str(path), int(line.group(1)) if line else None, "", f"{what}: {cure}")


def _why(error: Exception) -> str:
    return (error.strerror or "error") if isinstance(error, OSError) else "not UTF-8 text"
