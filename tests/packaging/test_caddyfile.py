"""The Caddyfile, tried with a real Caddy in front of a real server."""

import contextlib
import json
import subprocess
import threading
import time
from pathlib import Path

import httpx

from site2crm.commands import caddyfile
from tests.caddy import CADDY, caddy
from tests.server import ROOT, Server, free_port, run

PACKAGED = ROOT / "packaging" / "Caddyfile"


def printed(folder: Path, *words: str, public_url: str = "https://leads.acme.example") -> str:
    (folder / "site2crm.toml").write_text(f'[server]\npublic_url = "{public_url}"\n')
    return run(["caddyfile", *words], folder).stdout


def test_the_one_for_containers_is_the_printed_one() -> None:
    assert PACKAGED.read_text() == caddyfile.render("{$SITE2CRM_DOMAIN}", ["site2crm:8080"])


def test_caddy_takes_it_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "printed").write_text(printed(tmp_path, "--upstream", "127.0.0.1:8080", "--upstream", "127.0.0.1:8081"))

    for command in (["validate", "--adapter", "caddyfile", "--config"], ["fmt", "--diff"]):
        path = str(tmp_path / "printed")
        taken = subprocess.run([CADDY, *command, path], capture_output=True, text=True, check=False, timeout=60)
        assert taken.returncode == 0, taken.stderr
        assert not [line for line in taken.stdout.splitlines() if line[:1] in "+-"]


def test_blue_and_green_are_both_asked_whether_they_are_ready(tmp_path: Path) -> None:
    text = printed(tmp_path, "--upstream", "127.0.0.1:8080", "--upstream", "127.0.0.1:8081")

    assert "reverse_proxy 127.0.0.1:8080 127.0.0.1:8081 {" in text
    assert "health_uri /readyz" in text


def test_without_a_public_address_it_says_what_to_set(tmp_path: Path) -> None:
    refused = run(["caddyfile"], tmp_path)

    assert refused.returncode == 3
    assert "[server] public_url" in refused.stderr


def test_it_warns_when_caddy_would_hide_the_visitors_addresses(tmp_path: Path) -> None:
    printed(tmp_path)
    assert 'trusted_proxies = ["127.0.0.1"]' in run(["caddyfile"], tmp_path).stderr

    with (tmp_path / "site2crm.toml").open("a") as file:
        file.write('trusted_proxies = ["127.0.0.1/32"]\n')
    assert run(["caddyfile"], tmp_path).stderr == ""


def test_a_script_gets_it_as_json(tmp_path: Path) -> None:
    assert json.loads(printed(tmp_path, "--json"))["caddyfile"].startswith("#")


class Visitor:
    """Sends a form again and again, each time with another address, until told to stop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.answers: list[int] = []
        self.longest_s = 0.0

    def __enter__(self) -> "Visitor":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(timeout=60)

    def _run(self) -> None:
        with httpx.Client(timeout=60) as client:
            while not self._over.is_set():
                begun = time.monotonic()
                email = f"visitor{len(self.answers)}@example.com"
                answer = client.post(self._url, json={"email": email})
                self.answers.append(answer.status_code)
                self.longest_s = max(self.longest_s, time.monotonic() - begun)
                time.sleep(0.02)


def test_a_restart_behind_caddy_makes_visitors_wait_and_loses_none(tmp_path: Path) -> None:
    outside = f"http://127.0.0.1:{free_port()}"
    config = f'public_url = "{outside}"\ntrusted_proxies = ["127.0.0.1"]\n[intake]\nper_address_per_minute = 100000\n'
    server = Server(tmp_path / "instance", config=config)
    try:
        server.start()
        with server.an_org() as api, caddy(tmp_path, caddyfile.render(outside, [f"127.0.0.1:{server.port}"])):
            form = api.post("/api/v1/forms", json={"name": "Contact"}).json()
            _until(lambda: httpx.get(f"{outside}/readyz").status_code == 200)
            with Visitor(f"{outside}/f/{form['key']}") as visitor:
                for _ in range(2):
                    seen = len(visitor.answers)
                    _until(lambda seen=seen: len(visitor.answers) > seen + 10)
                    assert server.stop() == 0
                    server.start()
            assert set(visitor.answers) <= {200, 201, 202, 204}
            _until(lambda: _count(api) == len(visitor.answers))
    finally:
        server.stop()


def _count(api: httpx.Client) -> int:
    total, cursor = 0, ""
    while True:
        page = api.get("/api/v1/leads", params={"limit": 100, **({"cursor": cursor} if cursor else {})}).json()
        total += len(page["data"])
        cursor = page["page"]["next_cursor"]
        if not cursor:
            return total


def _until(is_so: object) -> None:
    until = time.monotonic() + 30
    assert callable(is_so)
    while time.monotonic() < until:
        with contextlib.suppress(httpx.TransportError):
            if is_so():
                return
        time.sleep(0.05)
    raise AssertionError("it did not come to pass within 30 s")
