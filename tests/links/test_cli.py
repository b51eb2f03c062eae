"""`site2crm link`, as a script calls it, beside a running server."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import server
from tests.cast import Person
from tests.links.making import URL, make
from tests.server import Server

PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("links")).start()
    started.an_org()
    yield started
    started.stop()


def sends_soon(running: Server, path: str, expected: str) -> bool:
    """Whether visitors are sent there, by and by: `make bench` measures the promised second."""
    until = time.monotonic() + PATIENCE_S
    while True:
        found: str = httpx.get(running.url + path).headers.get("location", "")
        if found == expected or time.monotonic() > until:
            return found == expected
        time.sleep(0.02)


def test_what_the_command_line_writes_is_live_without_a_restart(running: Server) -> None:
    made = running.cli("link", "create", "--org", "acme", "--url", URL, "--slug", "spring", "--utm-source", "mail")
    assert made["short_url"] == f"{running.url}/spring"
    assert sends_soon(running, "/spring", f"{URL}?utm_source=mail")

    running.cli("link", "edit", "--org", "acme", "spring", "--url", "https://example.com/new", "--utm-source", "")
    assert sends_soon(running, "/Spring", "https://example.com/new")

    running.cli("link", "edit", "--org", "acme", made["id"], "--slug", "summer")
    assert sends_soon(running, "/summer", "https://example.com/new")

    running.cli("link", "archive", "summer")
    assert sends_soon(running, "/summer", "")


def test_the_address_is_the_one_that_the_server_listens_at(running: Server, tmp_path: Path) -> None:
    """Started with --listen, of which this configuration knows nothing."""
    config = tmp_path / "site2crm.toml"
    config.write_text((running.folder / "site2crm.toml").read_text().replace(f":{running.port}", ":8080"))
    place = ["--config", str(config), "--data-dir", str(running.folder / "data")]
    words = ["link", "create", "--org", "acme", "--url", URL, "--slug", "elsewhere", *place]
    assert f"{running.url}/elsewhere" in server.run(words, tmp_path).stdout


def test_a_list_can_be_searched(running: Server) -> None:
    running.cli("link", "create", "--org", "acme", "--url", URL, "--title", "Autumn", "--tag", "a", "--tag", "b")

    found: Any = running.cli("link", "list", "--org", "acme", "--q", "autumn")["data"]

    assert [(row["title"], row["tags"]) for row in found] == [("Autumn", ["a", "b"])]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["create", "--org", "acme"], 2, "--url"),
        (["create", "--org", "nowhere", "--url", URL], 1, "no org with the slug nowhere"),
        (["create", "--org", "acme", "--url", "javascript:x"], 1, "--url: Only websites"),
        (["create", "--org", "acme", "--url", "ftp://x", "--slug", "a.b"], 1, "--slug: Leave out the dot"),
        (["create", "--org", "acme", "--url", URL, "--slug", "mine"], 1, "is taken"),
        (["create", "--org", "acme", "--url", URL, "--title", "x" * 300], 2, "200"),
        (["create", "--org", "acme", "--url", URL, "--carry-click", "perhaps"], 2, "perhaps"),
        (["edit", "--org", "acme", "nothing", "--url", URL], 1, "no link nothing in this org"),
        (["archive", "--org", "acme", "lnk_nothing"], 1, "no link lnk_nothing"),
        (["archive", "nothing"], 1, "no link nothing."),
        (["list", "--org", "acme", "--limit", "0"], 2, "limit"),
    ],
)
async def test_what_is_wrong_is_said_with_its_exit_code(
    alice: Person, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    await make(alice, slug="mine")

    done = server.run(["link", *words, "--data-dir", str(tmp_path / "data"), "--json"], tmp_path)

    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


async def test_another_orgs_link_cannot_be_named(alice: Person, charlie: Person, tmp_path: Path) -> None:
    link = await make(alice, slug="mine")

    for name in ("mine", link["id"]):
        done = server.run(["link", "archive", "--org", "other", name, "--data-dir", str(tmp_path / "data")], tmp_path)
        assert (done.returncode, "no link" in done.stderr) == (1, True)
