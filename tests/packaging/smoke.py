"""What `make binary` has built, tried in an empty folder with no Python in reach: `make test-binary`.

Not part of `make test`: building takes minutes. A release is not made unless this passes. The libraries that are loaded
late are tried in `smoke_services.py`, the times are told by `smoke_speed.py`.
"""

import base64
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from site2crm import __version__
from site2crm.core.sqlite import OLDEST_SAFE
from tests import s3
from tests.packaging.conftest import ARCHIVE, SINGLE_FILE, Frozen
from tests.services import Crm

pytestmark = pytest.mark.timeout(900)

ARCHIVE_MB = 90
PASSWORD, ZONE = "correct horse battery", "Europe/Berlin"
FIREFOX = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
VISITORS = ["ann.visitor@example.com", "bob.visitor@example.com"]


@pytest.fixture
def crm() -> Iterator[Crm]:
    found = Crm()
    yield found
    found.stop()


@pytest.fixture
def store() -> Iterator[str]:
    with s3.store() as url:
        yield url


def test_the_archive_keeps_its_budget() -> None:
    assert ARCHIVE.stat().st_size <= ARCHIVE_MB * 1_000_000


def test_it_is_made_of_what_it_should_be(frozen: Frozen) -> None:
    said = subprocess.run(
        [frozen.program, "version", "--json"], env=frozen.environment, capture_output=True, check=True
    )
    told = json.loads(said.stdout)

    assert told["version"] == __version__
    assert tuple(map(int, told["sqlite"].split("."))) >= OLDEST_SAFE
    assert told["duckdb"]


def test_there_is_one_copy_of_sqlite_and_nothing_of_the_developers(folder_build: Path) -> None:
    names = [path.relative_to(folder_build.parent).as_posix() for path in folder_build.parent.rglob("*")]

    sqlite = [name for name in names if "sqlite3" in name and ".so" in name]
    assert [name for name in sqlite if "pysqlite3/" not in name] == []
    assert len(sqlite) == 1
    assert [name for name in names if re.search(r"tcl|tk8|pytest|hypothesis|playwright|caddy$", name)] == []


def test_every_library_loads(folder_build: Path) -> None:
    """Stripping some of them makes them unreadable, which shows when they are first needed: with the first click."""
    libraries = [str(path) for path in folder_build.parent.rglob("*.so*") if path.is_file()]
    load = "import ctypes, sys\nfor path in sys.argv[1:]: ctypes.CDLL(path)"

    tried = subprocess.run([sys.executable, "-c", load, *libraries], capture_output=True, text=True, check=False)
    assert (tried.returncode, tried.stderr) == (0, "")


def test_from_the_setup_to_the_crm_and_from_a_backup_on_a_new_machine(
    frozen: Frozen, tmp_path: Path, crm: Crm, store: str
) -> None:
    frozen.config = config(store)
    frozen.start()
    _make_the_owner(frozen)
    with frozen.an_org("acme") as api:
        _connect(api, crm)
        form = api.post("/api/v1/forms", json={"name": "Contact"}).json()
        link = api.post("/api/v1/links", json={"url": "https://example.com/landing", "slug": "launch"}).json()
        send_a_lead(frozen, form["key"], VISITORS[0])
        until(lambda: leads(api) == VISITORS[:1])
        assert crm.leads(1) == VISITORS[:1]
        _follow(frozen, "launch")
        until(lambda: _clicks(api, link["id"]) == 1)
        until(lambda: _states(api) == ["delivered"])
        made = frozen.cli("backup", "create")
        assert (made["verified"], made["sent"], made["encrypted"]) == (True, True, True)
        key = api.headers["Authorization"]
    assert frozen.cli("backup", "verify", made["backup"])["ok"] is True
    assert frozen.stop() == 0

    new = frozen.elsewhere(tmp_path / "new machine")
    try:
        _restored(new, made["backup"], form["key"], link["id"], key=key, crm=crm)
    finally:
        new.kill()


def config(store: str) -> str:
    sealing = base64.b64encode(b"b" * 32).decode()
    return (
        f'[backup]\nkey = "{sealing}"\ns3 = "{store}/{s3.BUCKET}"\ns3_key_id = "{s3.KEY_ID}"\n'
        f's3_secret = "{s3.SECRET}"\n[outbound]\nallow_private = ["127.0.0.1"]\n'
    )


def _restored(new: Frozen, backup: str, form: str, link: str, *, key: str, crm: Crm) -> None:
    """From the store, into a folder where nothing was; then all is there, and all goes on."""
    new.configure()
    assert new.cli("restore", backup, "--dry-run")["restored"] is False
    assert not (new.folder / "data" / "site2crm.db").exists()
    told: dict[str, object] = dict(new.cli("restore", backup))
    assert (told["restored"], told["leads"], told["events"], told["takes_key"]) == (True, 1, 1, True)
    new.start()
    with httpx.Client(base_url=new.url, headers={"Authorization": key}, timeout=30) as api:
        assert leads(api) == VISITORS[:1]
        assert _states(api) == ["delivered"]
        assert _clicks(api, link) == 1
        assert [each["key"] for each in api.get("/api/v1/forms").json()["data"]] == [form]
        _follow(new, "launch")
        until(lambda: _clicks(api, link) == 2)
        send_a_lead(new, form, VISITORS[1])
        until(lambda: leads(api) == VISITORS[::-1])
        assert crm.leads(2) == VISITORS  # the stored access opens, and nobody is sent twice
    assert new.stop() == 0


def _make_the_owner(frozen: Frozen) -> None:
    with httpx.Client(follow_redirects=False, timeout=30) as browser:
        page = browser.get(frozen.setup_url)
        assert page.status_code == 200
        style = re.search(r"/static/\w+/css/app.css", page.text)
        assert style is not None
        assert browser.get(frozen.url + style[0]).status_code == 200
        answers = {"name": "Ann", "email": "ann@example.com", "password": PASSWORD, "org": "First", "time_zone": ZONE}
        refused = browser.post(
            frozen.setup_url, data={**answers, "email": "ann@no_such-"}, headers={"Origin": frozen.url}
        )
        assert refused.status_code == 422, refused.text
        made = browser.post(frozen.setup_url, data=answers, headers={"Origin": frozen.url})
        assert made.status_code == 303, made.text
        assert browser.get(f"{frozen.url}{made.headers['location']}").status_code == 200


def _connect(api: httpx.Client, crm: Crm) -> None:
    wanted = {"kind": "webhook", "name": "Ours", "settings": {"url": crm.url, "secret": crm.secret}}
    made = api.post("/api/v1/connections", json=wanted)
    assert (made.status_code, made.json()["state"]) == (201, "active"), made.text


def send_a_lead(frozen: Frozen, form: str, email: str) -> None:
    sent = httpx.post(f"{frozen.url}/f/{form}", data={"email": email, "phone": "030 123456"})
    assert sent.status_code < 400, sent.text


def _follow(frozen: Frozen, slug: str) -> None:
    answer = httpx.get(f"{frozen.url}/{slug}", headers=FIREFOX)
    assert (answer.status_code, answer.headers["location"]) == (302, "https://example.com/landing")


def leads(api: httpx.Client) -> list[str]:
    """Newest first."""
    return [lead["email"] for lead in _data(api, "/api/v1/leads")]


def _states(api: httpx.Client) -> list[str]:
    return [delivery["state"] for delivery in _data(api, "/api/v1/deliveries")]


def _data(api: httpx.Client, path: str) -> list[dict[str, str]]:
    told = api.get(path)
    assert told.status_code == 200, told.text
    rows: list[dict[str, str]] = told.json()["data"]
    return rows


def _clicks(api: httpx.Client, link: str) -> int:
    """DuckDB, the tables of browsers and the countries are loaded for the first of them only."""
    told = api.get("/api/v1/analytics/totals", params={"link": link})
    assert told.status_code == 200, told.text
    counted: int = told.json()["value"]
    return counted


def test_kill_9_leaves_nobody_on_the_port_and_nothing_in_tmp(frozen: Frozen, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    frozen.environment = {**frozen.environment, "TMPDIR": str(tmp_path / "tmp")}
    frozen.start()
    frozen.kill()

    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{frozen.url}/livez")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_it_prints_a_unit_that_starts_this_very_program(frozen: Frozen) -> None:
    frozen.configure()

    unit = frozen.cli("service")["unit"]
    assert f"ExecStart={frozen.program} serve" in unit
    assert ("CacheDirectory" in unit) == (frozen.program == SINGLE_FILE)


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if is_so():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come to pass within 30 s")
