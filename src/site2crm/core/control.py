"""The running server, asked from the command line: `data/control.sock`, one line of JSON each way.

For verbs that need what only the server has open (the event store) or that must not run beside it. Who can reach the
socket owns the data folder already: it is his, and closed to all others.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from site2crm.core import log
from site2crm.core.machine import Machine

SOCKET = "control.sock"
MAX_LINE = 1024 * 1024
CONNECT_S = 5.0

Answer = dict[str, Any]
Control = Callable[[Machine, Mapping[str, Any]], Awaitable[Answer]]
"""(machine, arguments): what is answered. What it raises is told by its text."""

_log = log.get("control")


class Refused(Exception):
    """The server could not do it; the text says why. `kind` is the name of what was raised there."""

    def __init__(self, text: str, kind: str = "") -> None:
        super().__init__(text)
        self.kind = kind


class NotAnswering(Exception):
    """Nobody listens at the socket, or went away before the answer."""


class Question(msgspec.Struct, frozen=True):
    verb: str
    arguments: dict[str, Any] = {}


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    answer: Answer = {}
    error: str = ""
    kind: str = ""


@asynccontextmanager
async def listening(machine: Machine, controls: Mapping[str, Control]) -> AsyncIterator[None]:
    """Answer while the block lasts; what is still at work at its end is cancelled."""
    at_work: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_serve(machine, controls, reader, writer))
        at_work.add(task)
        task.add_done_callback(at_work.discard)

    with _reachable(machine.data_dir) as path:
        path.unlink(missing_ok=True)  # of a process that was killed: this one holds the folder
        server = await asyncio.start_unix_server(connected, path=str(path), limit=MAX_LINE)
        (machine.data_dir / SOCKET).chmod(0o600)
    try:
        yield
    finally:
        server.close()
        for task in at_work:
            task.cancel()
        (machine.data_dir / SOCKET).unlink(missing_ok=True)


def ask(data_dir: Path, verb: str, *, timeout_s: float, **arguments: Any) -> Answer:
    """Have the running server do it, and wait. Raises Refused, NotAnswering."""
    if not data_dir.is_dir():
        raise NotAnswering(f"There is no folder {data_dir}, and so no server of it.")
    with _reachable(data_dir) as path, socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.settimeout(CONNECT_S)
            connection.connect(str(path))
            connection.settimeout(timeout_s)
            connection.sendall(msgspec.json.encode(Question(verb, arguments)) + b"\n")
            with connection.makefile("rb") as answers:
                line = answers.readline(MAX_LINE)
        except OSError as error:
            why = error.strerror or str(error)
            raise NotAnswering(f"The server of {data_dir} does not answer at {SOCKET}: {why}.") from error
    if not line.endswith(b"\n"):
        raise NotAnswering(f"The server of {data_dir} ended before it answered.")
    reply = msgspec.json.decode(line, type=Reply)
    if reply.error:
        raise Refused(reply.error, reply.kind)
    return reply.answer


async def _serve(
    machine: Machine, controls: Mapping[str, Control], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        line = await reader.readline()
        if line:
            writer.write(msgspec.json.encode(await _reply(machine, controls, line)) + b"\n")
            await writer.drain()
    except (ConnectionError, ValueError) as error:  # gone, or a line without end
        _log.info("control.hung_up", error=repr(error))
    finally:
        writer.close()


async def _reply(machine: Machine, controls: Mapping[str, Control], line: bytes) -> Reply:
    try:
        question = msgspec.json.decode(line, type=Question)
    except msgspec.MsgspecError as error:
        return Reply(error=f"The question cannot be read: {error}", kind="Unreadable")
    control = controls.get(question.verb)
    if control is None:
        return Reply(error=f"The running server does not know {question.verb!r}: is it older?", kind="Unknown")
    try:
        return Reply(await control(machine, question.arguments))
    except Exception as error:  # noqa: BLE001 - the one who asked must hear of it, whatever it was
        _log.warning("control.failed", verb=question.verb, error=repr(error))
        return Reply(error=str(error) or type(error).__name__, kind=type(error).__name__)


@contextlib.contextmanager
def _reachable(data_dir: Path) -> Iterator[Path]:
    """The socket under a name that is never too long: the kernel takes 107 characters, a folder may have more."""
    folder = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{folder}") / SOCKET
    finally:
        os.close(folder)
