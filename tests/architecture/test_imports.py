"""Who may import whom: downwards only, at the top of the file, without a cycle."""

import ast
from functools import cache
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src"
PACKAGE = SRC / "site2crm"
FEATURES = ["accounts", "links", "forms", "leads", "connectors", "delivery", "deals", "analytics", "ops", "website"]
COMPOSERS = {"site2crm.app", "site2crm.cli", "site2crm.features", "site2crm.__main__"}
OPEN_TO_OTHERS = {"service", "queries", "errors", "events"}
CONTRACTS = {
    "site2crm.connectors.contract",
    "site2crm.connectors.hints",
    "site2crm.connectors.sales",
    "site2crm.forms.fields",
    "site2crm.links.token",
}
"""Pure definitions that are made to be used by the features below."""
FIRST_FLOOR = {"models", "events", "errors"}
TOP_FLOOR = {"api", "pages", "jobs"}


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(SRC).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


@cache
def imports_of(name: str) -> frozenset[str]:
    """Our own modules that this one imports."""
    found = set()
    for node in ast.walk(ast.parse(modules()[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in modules() else node.module)
    return frozenset(target for target in found if target in modules() and target != "site2crm")


def floor(name: str) -> str:
    """`site2crm.leads.service` -> `leads`; `site2crm.app` -> `app`."""
    return name.split(".")[1]


@pytest.mark.parametrize("name", sorted(modules()))
def test_imports_stand_at_the_top_and_are_real(name: str) -> None:
    if name in {"site2crm.cli", "site2crm.core.heavy"}:
        pytest.skip("imports on purpose when it is used")
    tree = ast.parse(modules()[name].read_text())
    inside = [
        node.lineno
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert inside == []
    assert "TYPE_CHECKING" not in modules()[name].read_text()
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]


@pytest.mark.parametrize("name", sorted(modules()))
def test_imports_go_downwards(name: str) -> None:
    if name == "site2crm" or name in COMPOSERS or floor(name) in {"commands", "demo"}:
        return
    wrong = [target for target in imports_of(name) if not allowed(name, target)]
    assert wrong == []


def allowed(name: str, target: str) -> bool:
    mine, theirs = floor(name), floor(target)
    if theirs == "kit":
        return True
    if mine == "kit":
        return False
    if mine == "core" or theirs == "core":
        return theirs == "core"
    if mine == theirs:
        return inside_feature(name, target)
    if theirs not in FEATURES:
        return False
    part = target.split(".")[2] if target.count(".") > 1 else ""
    if part == "events":
        return True
    return FEATURES.index(theirs) < FEATURES.index(mine) and (part in OPEN_TO_OTHERS or target in CONTRACTS)


def inside_feature(name: str, target: str) -> bool:
    """models, events, errors < queries < service < api | pages | jobs < feature; other nouns stand in between."""
    mine, theirs = name.split(".")[2], target.split(".")[2]
    if theirs == "feature":
        return False
    if theirs in TOP_FLOOR:
        return mine in {"feature", theirs}
    if mine in FIRST_FLOOR:
        return theirs in FIRST_FLOOR or theirs not in {"queries", "service", *TOP_FLOOR}
    return not (mine == "queries" and theirs == "service")


def test_there_is_no_cycle() -> None:
    done: set[str] = set()
    path: list[str] = []

    def visit(name: str) -> None:
        if name in done:
            return
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        path.append(name)
        for target in sorted(imports_of(name)):
            visit(target)
        path.pop()
        done.add(name)

    for name in modules():
        visit(name)


def test_every_feature_is_in_the_list() -> None:
    found = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert found - {"kit", "core", "commands", "demo"} == set(FEATURES)
