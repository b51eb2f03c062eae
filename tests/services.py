"""Servers that the product may talk to, started beside it: Redis, and receivers for Sentry and of webhooks.

Each on loopback or a socket in the test's folder, ended by who started it. PostgreSQL is in `tests/records.py`, an
S3-compatible store in `tests/s3.py`.
"""

import base64
import gzip
import json
import signal
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from site2crm.core.config import Secret

REDIS = Path("/usr/bin/redis-server")
PATIENCE_S = 15


class Redis:
    """On a socket of its own, without a port and without files; ended by its pid."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> Secret:
        return Secret(f"unix://{self.socket}")

    def start(self) -> "Redis":
        if not REDIS.exists():
            pytest.fail(f"{REDIS} is missing: `make redis` installs it")
        words = ["--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(
            [str(REDIS), *words, "--dir", str(self.socket.parent)], stdout=subprocess.DEVNULL
        )
        until = time.monotonic() + PATIENCE_S
        while not self.socket.exists():
            assert time.monotonic() < until
            time.sleep(0.01)
        return self

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> None:
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait(10)
            self.process = None
            self.socket.unlink(missing_ok=True)


class Receiver:
    """Takes POSTs and answers 200 with JSON; a small server in a thread of this process."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                answer = json.dumps(receiver.answer(body, dict(self.headers))).encode()
                receiver.bodies.append(body)
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, body: bytes, headers: dict[str, str]) -> dict[str, str]:
        return {}

    def wait_for(self, count: int) -> list[bytes]:
        """As many bodies, or fewer when they do not come."""
        until = time.monotonic() + PATIENCE_S
        while len(self.bodies) < count and time.monotonic() < until:
            time.sleep(0.02)
        return self.bodies

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Sentry(Receiver):
    """What takes envelopes; the protocol, as far as it is needed."""

    @property
    def dsn(self) -> Secret:
        return Secret(f"http://public@127.0.0.1:{self.server.server_port}/1")

    def events(self, count: int) -> list[dict[str, Any]]:
        return [json.loads(body.splitlines()[2]) for body in self.wait_for(count)]


class Crm(Receiver):
    """Somebody's CRM that takes signed webhooks, and gives each a number."""

    def __init__(self) -> None:
        super().__init__()
        self.secret = "whsec_" + base64.b64encode(b"k" * 32).decode()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/leads"

    def answer(self, body: bytes, headers: dict[str, str]) -> dict[str, str]:
        Webhook(self.secret).verify(body, {name.lower(): value for name, value in headers.items()})
        return {"id": f"rec-{len(self.bodies) + 1}"}

    def leads(self, count: int) -> list[str]:
        """The e-mails of the leads that arrived, once as many are there."""
        events = [json.loads(body) for body in self.wait_for(count + 1)]  # the first asks whether we are there
        return [event["data"]["email"] for event in events if event["type"] != "ping"]
