"""Rules of the pages that a reader would otherwise have to remember."""

import gzip
import re
from pathlib import Path

import jinja2
import pytest

from site2crm.core import assets, resources, templates

FOLDER = resources.templates()
PAGES = sorted(FOLDER.rglob("*.html"))
SHIPPED = [page for page in PAGES if page.parent.name != "emails"]
MAX_LINES = 60

FORBIDDEN = {
    "an inline style": re.compile(r"[\s\"']style\s*=|<style", re.IGNORECASE),
    "an inline script": re.compile(r"<script(?![^>]*\bsrc=)", re.IGNORECASE),
    "an event attribute": re.compile(r"<[^>{]*\son[a-z]+\s*=|\"on[a-z]+\"\s*:", re.IGNORECASE),
    "hx-on": re.compile(r"hx-on|hx_on"),
    "js: or javascript:": re.compile(r"[\"'](js|javascript):"),
    "|safe": re.compile(r"\|\s*safe\b|\bMarkup\("),
    "autoescape off": re.compile(r"autoescape\s+false", re.IGNORECASE),
    "an hx- attribute without the nonce (write it through `attrs` or a macro)": re.compile(r"<[^>{]*\shx-[a-z-]+\s*="),
    "htmx's trigger filters, which need eval": re.compile(r"hx[-_]trigger[\"']?\s*[:=]\s*[\"'][^\"']*\["),
}
ICON = re.compile(
    r"(?:icon|toast|empty|timeline_item)\(\s*\"([a-z0-9-]+)\""
    r"|icon\s*=\s*\"([a-z0-9-]+)\""
    r"|icon_(?:button|link)\(\s*\"[^\"]*\",\s*(?:[^,\"]+,\s*)?\"([a-z0-9-]+)\""
)


def relative(path: Path) -> str:
    return path.relative_to(FOLDER).as_posix()


def icons() -> set[str]:
    return set(re.findall(r'<symbol id="([^"]+)"', (resources.static() / "icons.svg").read_text()))


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_template_parses(page: Path) -> None:
    templates.current().parse(page.read_text(), filename=str(page))


@pytest.mark.parametrize("rule", FORBIDDEN)
def test_no_template_has(rule: str) -> None:
    guilty = [relative(page) for page in SHIPPED if FORBIDDEN[rule].search(without_comments(page))]

    assert guilty == []


def test_emails_have_no_script() -> None:
    mails = [page for page in PAGES if page.parent.name == "emails"]

    assert [relative(mail) for mail in mails if re.search(r"<script|\|\s*safe", mail.read_text())] == []


def test_pages_are_short() -> None:
    exempt = {"layouts", "ui", "emails"}
    long = [
        relative(page)
        for page in PAGES
        if page.parent.name not in exempt and len(page.read_text().splitlines()) > MAX_LINES
    ]

    assert long == []


def test_fragments_are_included_from_existing_files() -> None:
    named = {
        name
        for page in PAGES
        for name in re.findall(r"{%\s*(?:include|extends)\s+\"([^\"]+\.\w+)\"\s*%}", page.read_text())
    }

    assert [name for name in sorted(named) if not (FOLDER / name).is_file()] == []


def test_named_icons_exist() -> None:
    named = {name for page in PAGES for groups in ICON.findall(page.read_text()) for name in groups if name}

    assert sorted(named - icons()) == []


def test_named_assets_exist() -> None:
    named = {name for page in PAGES for name in re.findall(r"asset\('([^']+)'\)", page.read_text())}

    assert sorted(named - set(assets.current().files)) == []


def test_macros_that_pages_call_exist() -> None:
    known = set(vars(templates.current().globals["ui"]))
    called = {name for page in PAGES for name in re.findall(r"\bui\.([a-z_]+)", page.read_text())}

    assert sorted(called - known) == []


def test_every_macro_file_says_its_signature() -> None:
    macros = sorted((FOLDER / "ui").glob("*.html"))

    assert [path.name for path in macros if not path.read_text().startswith("{#")] == []


def test_filters_that_pages_use_exist() -> None:
    for page in PAGES:
        templates.current().compile(page.read_text())  # an unknown filter is an error of compilation


def test_scripts_stay_small_and_few() -> None:
    modules = sorted((resources.static() / "js").glob("*.js"))

    assert len(modules) <= 10
    assert [module.name for module in modules if len(module.read_text().splitlines()) > 100] == []


def test_scripts_write_no_markup_and_evaluate_nothing() -> None:
    forbidden = re.compile(
        r"innerHTML|outerHTML\b(?!\")|insertAdjacentHTML|document\.write|\beval\(|new Function|\.style\b"
    )
    modules = sorted((resources.static() / "js").rglob("*.js"))

    assert [module.name for module in modules if forbidden.search(module.read_text())] == []


@pytest.mark.parametrize(
    ("names", "kilobytes"),
    [
        (["css/app.css"], 12),
        (["css/hosted.css"], 3),
        (["js/app.js", "vendor/htmx-4.0.1/htmx.min.js", "vendor/htmx-4.0.1/hx-csp.min.js"], 20),
    ],
)
def test_what_a_first_visit_loads_stays_small(names: list[str], kilobytes: int) -> None:
    files = assets.current().files

    assert sum(len(gzip.compress(files[name].body, 9)) for name in names) <= kilobytes * 1024


def test_vendored_code_carries_its_licence() -> None:
    vendored = [path for path in (resources.static() / "vendor").iterdir() if path.is_dir()]

    assert [path.name for path in vendored if not (path / "LICENSE").is_file()] == []


def without_comments(page: Path) -> str:
    return re.sub(r"{#.*?#}", "", page.read_text(), flags=re.DOTALL)


def test_unknown_names_are_errors() -> None:
    with pytest.raises(jinja2.UndefinedError):
        templates.current().from_string("{{ nobody }}").render()
