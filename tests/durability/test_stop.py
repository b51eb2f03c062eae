"""A server that is told to stop while somebody looks at a page that keeps itself up to date."""

import threading
from pathlib import Path

import httpx
import pytest

from tests.server import Server


@pytest.mark.parametrize("path", ["overview/live", "leads/live"])
def test_an_open_page_does_not_hold_up_the_stop(tmp_path: Path, path: str) -> None:
    server = Server(tmp_path).start()
    api, opened = server.an_org(), threading.Event()

    def look() -> None:
        with api.stream("GET", f"/o/acme/{path}") as answer:
            for _ in answer.iter_raw():
                opened.set()

    with httpx.Client(base_url=server.url, headers={"Sec-Fetch-Site": "same-origin"}) as browser:
        browser.post("/login", data={"email": "owner@acme.example", "password": "correct horse battery"})
        api.cookies, api.headers = browser.cookies, browser.headers
        looking = threading.Thread(target=look)
        looking.start()
        assert opened.wait(20)
        assert server.stop() == 0  # waits for half a minute at most
        looking.join(20)
    assert not looking.is_alive()
