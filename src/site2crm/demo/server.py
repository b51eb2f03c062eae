"""A small HTTP/1.1 server on loopback that can also misbehave: status, slow, timeout, reset, half an answer, a page.

Faults are scripted one by one: each is used `count` times (-1: until cleared) by requests it matches. With `effect`
the request is carried out first, so that the caller cannot know whether it was. `hurry.set()` ends what is slow.
"""

import asyncio
import contextlib
import json
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

DRIP_S = 0.002
REASONS = {200: "OK", 201: "Created", 204: "No Content", 207: "Multi-Status", 302: "Found", 400: "Bad Request"}


@dataclass
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.time)
    status: int | None = None

    @property
    def raw_path(self) -> str:
        return urlsplit(self.target).path

    @property
    def path(self) -> str:
        return unquote(self.raw_path)

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def json(self) -> Any:
        return json.loads(self.body)

    def shown(self) -> dict[str, Any]:
        text = self.body.decode("utf-8", "replace")
        headers = {k: v for k, v in self.headers.items() if k != "authorization"}
        return {"method": self.method, "path": self.path, "query": self.query, "headers": headers,
                "body": text, "status": self.status, "at": self.at}  # fmt: skip


@dataclass
class Answer:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        raw = (
            self.body if isinstance(self.body, bytes) else b"" if self.body is None else json.dumps(self.body).encode()
        )
        headers = {"Content-Type": "application/json", **self.headers, "Content-Length": str(len(raw))}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'X')}\r\n{head}\r\n".encode() + raw


@dataclass
class Fault:
    kind: Literal["status", "slow", "timeout", "reset", "half", "page", "raw"]
    count: int = 1
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    seconds: float = 60.0
    method: str = ""
    path: str = ""  # a part of it
    effect: bool = False
    raw: str = ""
    """Latin-1, sent as it is; then `drop` again and again, for as long as the other side listens."""
    drop: str = ""

    def matches(self, request: Request) -> bool:
        return self.count != 0 and self.method in ("", request.method) and self.path in request.path


class FakeServer:
    """Subclasses answer; `/_fake/...` reads and scripts them from another process."""

    def __init__(self) -> None:
        self.requests: deque[Request] = deque(maxlen=50_000)
        self.faults: list[Fault] = []
        self.hurry = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, *, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, backlog=1024)

    async def stop(self) -> None:
        assert self._server
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        assert self._server
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, request: Request) -> Answer:
        raise NotImplementedError

    def checked(self, request: Request, answer: Answer) -> None:
        """Hook: what was said by both sides."""

    def fault_answer(self, fault: Fault) -> Answer:
        return Answer(fault.status, fault.body, fault.headers)

    def control(self, request: Request) -> Answer:
        match request.method, request.path.removeprefix("/_fake/"):
            case "GET", "requests":
                last = int(request.query.get("last", "1000"))
                return Answer(200, [r.shown() for r in list(self.requests)[-last:]])
            case "DELETE", "requests":
                self.requests.clear()
                return Answer(204)
            case "GET", "faults":
                return Answer(200, [asdict(fault) for fault in self.faults])
            case "POST", "faults":
                said = request.json()
                self.faults += [Fault(**item) for item in (said if isinstance(said, list) else [said])]
                return Answer(201, {"faults": len(self.faults)})
            case "DELETE", "faults":
                self.faults.clear()
                return Answer(204)
        return Answer(404, {"message": "no such control"})

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while await self._one(reader, writer):
                    pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await _read(reader)
        if request.path.startswith("/_fake/"):
            writer.write(self.control(request).encode())
            await writer.drain()
            return True
        self.requests.append(request)
        fault = self._take_fault(request)
        if fault is not None and fault.kind == "slow":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.hurry.wait(), fault.seconds)
            fault = None
        if fault is None or fault.effect:
            answer = self.answer(request)
            self.checked(request, answer)
        else:
            answer = self.fault_answer(fault)
        request.status = answer.status
        if fault is not None and fault.kind != "status":
            await self._misbehave(fault, answer, writer)
            return False
        writer.write((self.fault_answer(fault) if fault else answer).encode())
        await writer.drain()
        return True

    def _take_fault(self, request: Request) -> Fault | None:
        for fault in self.faults:
            if fault.matches(request):
                fault.count -= 1 if fault.count > 0 else 0
                self.faults = [f for f in self.faults if f.count != 0]
                return fault
        return None

    async def _misbehave(self, fault: Fault, answer: Answer, writer: asyncio.StreamWriter) -> None:
        match fault.kind:
            case "timeout":
                await asyncio.sleep(fault.seconds)
            case "reset":
                writer.transport.abort()
            case "half":
                whole = (answer if fault.effect else Answer(200, {"id": "1", "properties": {}})).encode()
                writer.write(whole[: len(whole) - max(2, len(whole.partition(b"\r\n\r\n")[2]) // 2)])
                await writer.drain()
            case "raw":
                writer.write(fault.raw.encode("latin-1"))
                while fault.drop:
                    writer.write(fault.drop.encode("latin-1"))
                    await writer.drain()
                    await asyncio.sleep(DRIP_S)
                await writer.drain()
            case "page":
                page = b"<html><body><h1>Down for maintenance</h1></body></html>"
                status = 200 if fault.status == 500 else fault.status
                writer.write(Answer(status, page, {"Content-Type": "text/html"}).encode())
                await writer.drain()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, target, headers, body)
