"""What the frozen program must be told of, because nothing that is read before the start names it."""

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_library_that_is_loaded_late_is_in_the_binary() -> None:
    heavy = (ROOT / "src/site2crm/core/heavy.py").read_text()
    spec = (ROOT / "packaging/site2crm.spec").read_text()
    late = {name.partition(".")[0] for name in re.findall(r'import_module\("([\w.]+)"\)', heavy)} - {"site2crm"}
    assert len(late) > 5
    assert {name for name in late if f'"{name}"' not in spec} == set()


def test_every_package_that_no_line_imports_is_in_the_binary() -> None:
    """PyInstaller follows imports. A package that is only read, such as the time zones, has to be named."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    packages = {re.split(r"[\[><=]", line)[0].replace("-", "_") for line in listed}
    spec = (ROOT / "packaging/site2crm.spec").read_text()
    forgotten = {name for name in packages - _imported() - BY_ANOTHER_NAME.keys() if f'"{name}"' not in spec}
    assert forgotten == set()
    assert BY_ANOTHER_NAME.keys() <= packages
    assert set(BY_ANOTHER_NAME.values()) <= _imported() | set(re.findall(r'"(\w+)"', spec))


BY_ANOTHER_NAME = {
    "argon2_cffi": "argon2",
    "crawler_user_agents": "crawleruseragents",
    "croniter": "saq",  # which imports it
    "opentelemetry_sdk": "opentelemetry",
    "opentelemetry_exporter_otlp_proto_http": "opentelemetry",
}


def _imported() -> set[str]:
    """First parts of everything that the sources import."""
    found: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found
