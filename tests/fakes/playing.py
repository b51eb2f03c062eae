"""A fake server for as long as a test needs it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from site2crm.demo.server import FakeServer

F = TypeVar("F", bound=FakeServer)


@asynccontextmanager
async def playing(fake: F) -> AsyncIterator[F]:
    """On loopback. Whatever was said by then has to be what the vendor's document allows, if the fake has one."""
    await fake.start()
    try:
        yield fake
    finally:
        await fake.stop()
    assert getattr(fake, "violations", []) == []
