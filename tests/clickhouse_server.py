"""ClickHouse's own engine behind ClickHouse's HTTP interface, as a process: `python -m tests.clickhouse_server FOLDER`.

The engine is chdb-core, the one of a server as a library in this process. What is here is only the interface: the
statement from the address and the body, settings and parameters from the address, a user and a password, errors with
their status and number. One statement at a time. Prints its port when it is ready.
"""

import base64
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from chdb import session

USER, PASSWORD = "site2crm", "s3cret:ß"
_WANTED = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
_OF_THE_INTERFACE = {"query", "database", "wait_end_of_query"}
_CODE = re.compile(r"Code: (\d+)")


class Engine:
    def __init__(self, folder: Path) -> None:
        self._session = session.Session(str(folder))
        self._lock = threading.Lock()

    def run(self, given: dict[str, str], body: bytes) -> bytes:
        """Raises RuntimeError with ClickHouse's own words."""
        chosen = {name: value for name, value in given.items() if name not in _OF_THE_INTERFACE}
        statement = "\n".join(part for part in (given.get("query", ""), body.decode()) if part)
        with self._lock:
            self._ask(f"USE `{given.get('database', 'default')}`")
            try:
                for name, value in chosen.items():
                    self._ask(f"SET {name} = {_quoted(value)}")
                return self._ask(statement)
            finally:
                for name in chosen:
                    if not name.startswith("param_"):
                        self._ask(f"SET {name} = DEFAULT")

    def close(self) -> None:
        with self._lock:
            self._session.close()

    def _ask(self, statement: str) -> bytes:
        answer = self._session.query(statement, "TabSeparated")
        return bytes(answer.bytes() or b"") if answer is not None else b""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    engine: Engine


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.headers.get("Authorization") != _WANTED:
            self._answer(403, b"Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)", code="516")
            return
        given = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        try:
            self._answer(200, self.server.engine.run(given, body))
        except RuntimeError as error:
            found = _CODE.search(str(error))
            self._answer(500, str(error).encode(), code=found[1] if found else "1002")

    def log_message(self, format: str, *args: Any) -> None:
        """Not a word: nobody reads it."""

    def _answer(self, status: int, content: bytes, *, code: str = "") -> None:
        self.send_response(status)
        if code:
            self.send_header("X-ClickHouse-Exception-Code", code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def main() -> None:
    folder, port = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with Server(("127.0.0.1", port), Handler) as server:
        server.engine = Engine(folder)
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
