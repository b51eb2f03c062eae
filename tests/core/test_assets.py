import gzip
from pathlib import Path

import pytest

from site2crm.core import assets, resources


def header(answer: assets.Answer, name: str) -> str:
    return dict(answer[1]).get(name, "")


def test_an_asset_is_served_under_its_hash_for_ever() -> None:
    answer = assets.serve(assets.asset("css/app.css"))

    assert answer[0] == 200
    assert "immutable" in header(answer, "cache-control")
    assert header(answer, "content-type") == "text/css; charset=utf-8"


def test_the_address_of_an_earlier_release_still_works_but_briefly() -> None:
    answer = assets.serve("/static/0123456789ab/css/app.css")

    assert answer[0] == 200
    assert "immutable" not in header(answer, "cache-control")


def test_a_browser_that_takes_gzip_gets_it() -> None:
    plain = assets.serve("/static/icons.svg")
    packed = assets.serve("/static/icons.svg", accept_encoding="br, gzip")

    assert header(packed, "content-encoding") == "gzip"
    assert gzip.decompress(packed[2]) == plain[2]


def test_an_unchanged_file_is_not_sent_again() -> None:
    etag = header(assets.serve("/static/favicon.svg"), "etag")

    answer = assets.serve("/static/favicon.svg", if_none_match=etag)

    assert (answer[0], answer[2]) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/static/../pyproject.toml",
        "/static/%2e%2e/x",
        "/static//etc/passwd",
        "/static/",
        "/static/css/nothing.css",
        "/static/\0",
    ],
)
def test_only_what_was_loaded_exists(path: str) -> None:
    assert assets.serve(path)[0] == 404


def test_an_unknown_asset_is_a_mistake_of_the_page() -> None:
    with pytest.raises(KeyError):
        assets.asset("css/typo.css")


def test_styles_are_put_together_in_the_order_of_their_layers() -> None:
    css = assets.current().files["css/app.css"].body.decode()

    assert css.startswith("@layer reset, tokens, base, layout, components, pages, utilities;")
    assert css.index("@layer base") < css.index("@layer layout {") < css.index("@layer components {")


def test_a_change_changes_every_address(tmp_path: Path) -> None:
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "base.css").write_text("a {}")
    before = assets.load(tmp_path).version
    (tmp_path / "css" / "base.css").write_text("b {}")

    assert assets.load(tmp_path).version != before


def test_modules_do_not_share_names(tmp_path: Path) -> None:
    (tmp_path / "js").mkdir()
    (tmp_path / "js" / "a.js").write_text("const same = 1;")
    (tmp_path / "js" / "b.js").write_text("const same = 2;")

    assert assets.load(tmp_path).files["js/app.js"].body == b"{\nconst same = 1;\n}\n{\nconst same = 2;\n}"


def test_a_checkout_finds_its_folders() -> None:
    assert (resources.templates() / "layouts" / "app.html").is_file()
    assert (resources.static() / "css" / "tokens.css").is_file()
    assert resources.migrations().name == "migrations"


def test_a_frozen_binary_finds_its_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys._MEIPASS", str(tmp_path), raising=False)

    assert resources.static() == tmp_path / "static"
