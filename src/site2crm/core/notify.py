"""Tells systemd how this process stands: one datagram to $NOTIFY_SOCKET each, as sd_notify(3) describes.

Without systemd there is no socket and nothing is sent. The watchdog is fed from the event loop and only while every
part that carries leads is alive: a process that hangs, or goes on without them, is ended and started again.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn, Self

from site2crm.core import log

_log = log.get("notify")

FEEDINGS = 3
"""How often the watchdog is fed in the time that it waits: one late turn of the loop is no hang."""


@dataclass(frozen=True)
class Supervisor:
    """Whoever started us and wants to be told. `address` is empty for nobody, `watchdog_s` 0 for no watchdog."""

    address: str = ""
    watchdog_s: float = 0

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """As systemd leaves it in the environment; a watchdog that was meant for another process is not ours."""
        address = environment.get("NOTIFY_SOCKET", "")
        if address[:1] not in ("/", "@"):  # other families (vsock) are for virtual machines
            return cls()
        microseconds = environment.get("WATCHDOG_USEC", "")
        mine = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        return cls(address, int(microseconds) / 1e6 if mine and microseconds.isdigit() else 0)

    def tell(self, *lines: str) -> None:
        """Such as "READY=1". Never waits: a full or missing socket is logged, and serving goes on."""
        if not self.address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
                sender.sendto("\n".join(lines).encode(), _unix(self.address))
        except OSError as error:
            _log.warning("notify.untold", error=str(error))

    async def feed(self, dead: Callable[[], list[str]]) -> NoReturn:
        """Feed the watchdog for ever, or starve it as soon as `dead` names a part that has ended."""
        told: list[str] = []
        while True:
            ended = dead()
            if not ended:
                self.tell("WATCHDOG=1")
            elif ended != told:
                told = ended
                _log.error("watchdog.starved", ended=ended)
                self.tell(f"STATUS=ended: {', '.join(ended)}; waiting to be started again")
            await asyncio.sleep(self.watchdog_s / FEEDINGS)


def _unix(address: str) -> str:
    """An address that begins with @ is in the abstract namespace, where no file is."""
    return f"\0{address[1:]}" if address.startswith("@") else address
