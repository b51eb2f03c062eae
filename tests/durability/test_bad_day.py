"""A locked database, a damaged journal: forms keep answering, everything readable is applied afterwards."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import behind
from tests.server import Server

LOCKED_S = 12
"""Twice as long as anybody waits for the lock."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path, "[intake]\nper_address_per_minute = 100000\n").start()
    yield running
    if running.process is not None:
        running.stop()


def wait_for_leads(api: httpx.Client, wanted: int, *, for_s: float = 30) -> list[str]:
    until = time.monotonic() + for_s
    while time.monotonic() < until:
        found = api.get("/api/v1/leads", params={"limit": 200}).json()["data"]
        if len(found) >= wanted:
            return [lead["email"] for lead in found]
        time.sleep(0.1)
    raise AssertionError(f"{len(found)} of {wanted} leads after {for_s} s")


def test_forms_answer_while_the_database_is_locked_and_all_is_applied_afterwards(server: Server) -> None:
    with server.an_org() as api:
        path = f"/f/{api.post('/api/v1/forms', json={'name': 'Contact'}).json()['key']}"
        sent: list[str] = []
        with behind.locked(server.folder):
            until = time.monotonic() + LOCKED_S
            while time.monotonic() < until:
                email = f"locked{len(sent)}@example.com"
                assert httpx.post(server.url + path, data={"email": email}, timeout=5).status_code == 201
                sent.append(email)
                time.sleep(0.25)
            refused = api.post("/api/v1/forms", json={"name": "Second"})
        assert (refused.status_code, refused.json()["code"]) == (503, "database_busy")
        assert "retry-after" in refused.headers
        assert sorted(wait_for_leads(api, len(sent))) == sorted(sent)


def test_a_damaged_journal_costs_the_damaged_record_and_nothing_else(server: Server) -> None:
    with server.an_org() as api:
        path = f"/f/{api.post('/api/v1/forms', json={'name': 'Contact'}).json()['key']}"
        with behind.locked(server.folder):  # so that the journal is the only place where they are
            for number in range(10):
                body = {"email": f"person{number}@example.com"}
                assert httpx.post(server.url + path, data=body, timeout=5).status_code == 201
            server.kill()
        damage(server.folder / "data" / "journal", b"person4@example.com")
        server.start()
        found = wait_for_leads(api, 9)
        assert sorted(found) == sorted(f"person{number}@example.com" for number in range(10) if number != 4)
        assert list((server.folder / "data" / "journal").rglob("*.corrupt"))
        assert "journal.damaged" in server.log()
        assert behind.column(server.folder, "SELECT code FROM alarm") == ["journal.damaged"]


def test_a_torn_tail_is_cut_and_the_rest_applied(server: Server) -> None:
    with server.an_org() as api:
        path = f"/f/{api.post('/api/v1/forms', json={'name': 'Contact'}).json()['key']}"
        with behind.locked(server.folder):
            for number in range(5):
                httpx.post(server.url + path, data={"email": f"person{number}@example.com"}, timeout=5)
            server.kill()
        tear(server.folder / "data" / "journal", b"person4@example.com")
        server.start()
        assert len(wait_for_leads(api, 4)) == 4
        again = httpx.post(server.url + path, data={"email": "after@example.com"})
        assert again.status_code == 201
        assert "after@example.com" in wait_for_leads(api, 5)


def segment_with(journal: Path, text: bytes) -> tuple[Path, int]:
    for path in journal.rglob("*"):
        if path.is_file() and (at := path.read_bytes().find(text)) >= 0:
            return path, at
    raise AssertionError(f"{text!r} is in no segment")


def damage(journal: Path, text: bytes) -> None:
    path, at = segment_with(journal, text)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xff")


def tear(journal: Path, text: bytes) -> None:
    """As a power cut leaves it: the last record half there, zeros after it."""
    path, at = segment_with(journal, text)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(at)
        file.truncate(size)
