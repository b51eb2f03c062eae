"""What a server has taken of the machine, as Linux tells it."""

import os
from pathlib import Path

from tests.server import Server

_TICKS = os.sysconf("SC_CLK_TCK")


def resident_mb(server: Server) -> float:
    return _mb(server, "VmRSS:")


def peak_mb(server: Server) -> float:
    """The most that it ever had."""
    return _mb(server, "VmHWM:")


def cpu_s(server: Server) -> float:
    """In hundredths: of short calls measure several."""
    fields = _told(server, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _mb(server: Server, name: str) -> float:
    return int(_told(server, "status").split(name)[1].split()[0]) / 1024


def _told(server: Server, file: str) -> str:
    assert server.process is not None
    return Path(f"/proc/{server.process.pid}/{file}").read_text()
