"""What systemd hears: over real datagram sockets, also from a real `serve`."""

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from site2crm.core import tasks
from site2crm.core.notify import FEEDINGS, Supervisor
from tests.server import Server

PATIENCE_S = 30


@pytest.fixture(params=["in the file system", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """The address as it stands in NOTIFY_SOCKET, and the end that systemd reads."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(PATIENCE_S)
        if request.param == "abstract":
            receiver.bind(b"\0site2crm-test-%d" % os.getpid())
            yield f"@site2crm-test-{os.getpid()}", receiver
        else:
            receiver.bind(str(tmp_path / "notify"))
            yield str(tmp_path / "notify"), receiver


def test_each_message_is_one_datagram(systemd: tuple[str, socket.socket]) -> None:
    address, receiver = systemd

    Supervisor(address).tell("READY=1", "STATUS=listening")

    assert receiver.recv(1000) == b"READY=1\nSTATUS=listening"


def test_nobody_is_told_when_nobody_asked(tmp_path: Path) -> None:
    Supervisor.of({}).tell("READY=1")
    Supervisor.of({"NOTIFY_SOCKET": "vsock:2:9"}).tell("READY=1")


def test_a_supervisor_that_is_gone_does_not_end_the_server(tmp_path: Path) -> None:
    Supervisor(str(tmp_path / "gone")).tell("READY=1")


def test_the_watchdog_is_the_one_of_this_process() -> None:
    environment = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "60000000"}

    assert Supervisor.of(environment).watchdog_s == 60
    assert Supervisor.of({**environment, "WATCHDOG_PID": str(os.getpid())}).watchdog_s == 60
    assert Supervisor.of({**environment, "WATCHDOG_PID": "1"}).watchdog_s == 0
    assert Supervisor.of({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "soon"}).watchdog_s == 0


async def test_the_watchdog_starves_when_a_consumer_has_died(systemd: tuple[str, socket.socket]) -> None:
    address, receiver = systemd
    receiver.setblocking(False)
    loop, may_end = asyncio.get_running_loop(), asyncio.Event()

    async def consumer() -> None:
        await may_end.wait()
        raise KeyError("a bug")

    async with tasks.running("leads.capture", consumer()):
        feeding = asyncio.create_task(Supervisor(address, watchdog_s=0.05 * FEEDINGS).feed(tasks.dead))
        assert await loop.sock_recv(receiver, 1000) == b"WATCHDOG=1"
        assert await loop.sock_recv(receiver, 1000) == b"WATCHDOG=1"
        may_end.set()
        heard = [await loop.sock_recv(receiver, 1000)]
        while heard[-1] == b"WATCHDOG=1":
            heard.append(await loop.sock_recv(receiver, 1000))
        assert heard[-1].startswith(b"STATUS=ended: leads.capture")
        with contextlib.suppress(TimeoutError), pytest.raises(TimeoutError):
            await asyncio.wait_for(loop.sock_recv(receiver, 1000), 0.3)
        feeding.cancel()
    assert tasks.dead() == []


def test_serve_says_ready_when_the_port_answers_and_says_when_it_stops(
    systemd: tuple[str, socket.socket], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, receiver = systemd
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.setenv("WATCHDOG_USEC", "600000")
    server = Server(tmp_path / "instance").start(wait=False)

    try:
        assert receiver.recv(1000).startswith(b"READY=1\nSTATUS=listening on 127.0.0.1:")
        with socket.create_connection(("127.0.0.1", server.port), timeout=5):
            pass
        assert [receiver.recv(1000) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    finally:
        code = server.stop()
    heard = b"WATCHDOG=1"
    while heard == b"WATCHDOG=1":
        heard = receiver.recv(1000)
    assert (heard, code) == (b"STOPPING=1", 0)


def test_a_standby_is_ready_says_what_it_is_and_feeds_the_watchdog(
    systemd: tuple[str, socket.socket], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, receiver = systemd
    first = Server(tmp_path / "instance").start()
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.setenv("WATCHDOG_USEC", "600000")
    second = Server(tmp_path / "instance", flags=("--standby",), log_name="second.log").start(wait=False)
    try:
        assert receiver.recv(1000).startswith(b"READY=1\nSTATUS=standby, waiting for the lock")
        assert [receiver.recv(1000) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        stopping = threading.Thread(target=first.stop)  # what nobody reads meanwhile is lost
        stopping.start()
        while (heard := receiver.recv(1000)) == b"WATCHDOG=1":
            pass
        stopping.join()
        assert heard.startswith(b"STATUS=listening on 127.0.0.1:")
        assert [receiver.recv(1000) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    finally:
        first.stop()
        second.stop()


def test_a_server_that_hangs_does_not_feed_the_watchdog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, systemd: tuple[str, socket.socket]
) -> None:
    address, receiver = systemd
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.setenv("WATCHDOG_USEC", "300000")
    server = Server(tmp_path / "instance").start()
    try:
        assert server.process is not None
        server.process.send_signal(signal.SIGSTOP)
        receiver.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while receiver.recv(1000):
                pass
        receiver.settimeout(1.0)
        with pytest.raises(TimeoutError):
            receiver.recv(1000)
    finally:
        assert server.process is not None
        server.process.send_signal(signal.SIGCONT)
        server.stop()
