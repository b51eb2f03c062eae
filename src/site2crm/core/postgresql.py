"""Records in PostgreSQL: how connections are made, and the line on which nodes call each other.

One writer at a time, over all nodes, as on SQLite: a transaction that writes takes one advisory lock before its first
statement and holds it to its end. So what was decided on rows that were read (a lead with this e-mail, a free slug, the
next number of a counter, a queued job) still holds when it is written, no two transactions meet in a deadlock, and
every feature is written once for both databases. It costs a round trip for each write transaction, and all writers of
all nodes queue: as many write transactions a second as one disk can sync, which is why what comes in masses (leads,
jobs, deliveries) is written in batches. Reads take no lock: they see one snapshot, on connections that cannot write.

A node that stops in the middle of a transaction holds the others up until the server ends it (LONGEST_IDLE_MS).
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
from sqlalchemy import Connection, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from site2crm.core import heavy, log
from site2crm.core.config_types import Secret
from site2crm.core.errors import DatabaseAway, DatabaseRefused

NAME = "postgresql"
OLDEST = 140_000
"""14: `array_to_tsvector` refuses empty words there, and everything older is without support."""
CONNECT_S = 5.0
LOCK_WAIT_MS = 5_000
"""As SQLite's busy timeout: who waits longer for the write lock is told to come again."""
LONGEST_IDLE_MS = 60_000
LONGEST_READ_MS = 900_000
"""An export to somebody who reads slowly; it holds nobody up."""
WRITE_LOCK = 0x5332_4357
MIGRATION_LOCK = 0x5332_434D
CHANNEL = "site2crm"
RECONNECT_S = 1.0
STILL_THERE_S = 5.0
ZERO = "\x00"

_SETTINGS = {
    "application_name": "site2crm",
    "timezone": "UTC",
    "jit": "off",  # compiling costs more than any of our statements
    "synchronous_commit": "on",  # whatever the role's default is: an acknowledged lead is on disk
    "lock_timeout": str(LOCK_WAIT_MS),
    "idle_in_transaction_session_timeout": str(LONGEST_IDLE_MS),
}
_READ_ONLY = {
    "default_transaction_read_only": "on",
    "idle_in_transaction_session_timeout": str(LONGEST_READ_MS),
}
_NOT_FOR_LONG = ("08", "25006", "40", "53", "55P03", "57", "58", "25P03", "XX000")
"""SQLSTATEs of what passes: connections, a server that only reads for a while (another one is taking over, its disk is
full), conflicts, full disks and limits, locks, a stop or restart, I/O."""
_MISTAKES = ("28", "3D", "42501")
"""Wrong user or password, no such database, no right to it: a person has to act."""

_log = log.get("postgresql")


def is_passing_state(state: str) -> bool:
    """Whether the same work may succeed later, by the server's SQLSTATE."""
    return state.startswith(_NOT_FOR_LONG)


def engine(address: Secret, *, size: int, writes: bool) -> AsyncEngine:
    """A pool; with `writes` each transaction begins with the write lock, without it none can write."""
    settings = _SETTINGS if writes else {**_SETTINGS, **_READ_ONLY}

    async def connect() -> Any:
        return await connected(address, settings)

    made = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=size,
        max_overflow=0,
        pool_timeout=30,
        isolation_level="READ COMMITTED" if writes else "REPEATABLE READ",
        json_serializer=lambda value: msgspec.json.encode(value).decode(),
        json_deserializer=msgspec.json.decode,
    )
    event.listen(made.sync_engine, "checkout", _refuse_closed)
    event.listen(made.sync_engine, "before_cursor_execute", _without_zeros, retval=True)
    if writes:
        event.listen(made.sync_engine, "begin", _take_write_lock)
    return made


def plain_engine(address: Secret) -> AsyncEngine:
    """Without lock and pool, for what runs before the server serves: migrations, moving in."""

    async def connect() -> Any:
        return await connected(address, {**_SETTINGS, "lock_timeout": "0"})

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        poolclass=NullPool,
        json_serializer=lambda value: msgspec.json.encode(value).decode(),
        json_deserializer=msgspec.json.decode,
    )


async def connected(address: Secret, settings: dict[str, str]) -> Any:
    """A connection of the driver. Raises DatabaseAway if nobody answers, DatabaseRefused if somebody says no."""
    driver = heavy.asyncpg()
    try:
        return await driver.connect(address.reveal(), timeout=CONNECT_S, server_settings=settings)
    except (OSError, TimeoutError, driver.PostgresError, driver.InterfaceError) as error:
        state = getattr(error, "sqlstate", None) or ""
        if state.startswith(_MISTAKES) or isinstance(error, driver.InterfaceError | ValueError):
            raise DatabaseRefused(f"PostgreSQL refuses us: {error}") from error
        raise DatabaseAway from error


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """A restarted server has closed what is in the pool; known without asking, so no request fails for it."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError("closed by the server")


def _without_zeros(
    _connection: Connection, _cursor: object, statement: str, parameters: Any, _context: object, is_many: bool
) -> tuple[str, Any]:
    """PostgreSQL has no text with a zero byte in it, and whoever asks for one has made it up: it is a replacement
    character there, which is found nowhere."""
    if is_many:
        return statement, [_clean(each) for each in parameters]
    return statement, _clean(parameters)


def _clean(parameters: tuple[Any, ...]) -> tuple[Any, ...]:
    if not any(isinstance(value, str) and ZERO in value for value in parameters):
        return parameters
    return tuple(value.replace(ZERO, "\ufffd") if isinstance(value, str) else value for value in parameters)


def _take_write_lock(connection: Connection) -> None:
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")


class Line:
    """Hears within milliseconds what other nodes have changed. Nothing depends on it alone: everybody also looks."""

    def __init__(self, address: Secret) -> None:
        self._address = address
        self._hearing: list[tuple[str, Callable[[], None]]] = []

    def hear(self, word: str, call: Callable[[], None]) -> None:
        self._hearing.append((word, call))

    def unhear(self, word: str, call: Callable[[], None]) -> None:
        self._hearing.remove((word, call))

    async def run(self) -> None:
        """Listen for ever, with a new connection when the one before is gone; cancelled at shutdown."""
        while True:
            with suppress(DatabaseAway):
                await self._listen()
            await asyncio.sleep(RECONNECT_S)

    async def _listen(self) -> None:
        connection = await connected(self._address, _SETTINGS)
        try:
            await connection.add_listener(CHANNEL, lambda *said: self._said(said[-1]))
            for _, call in list(self._hearing):
                call()  # whatever was said while nobody listened
            while not connection.is_closed():
                await asyncio.sleep(STILL_THERE_S)
                await connection.execute("SELECT 1", timeout=CONNECT_S)
        except (OSError, TimeoutError, heavy.asyncpg().PostgresError, heavy.asyncpg().InterfaceError) as error:
            _log.info("postgresql.line_lost", error=str(error))
        finally:
            connection.terminate()

    def _said(self, word: str) -> None:
        for wanted, call in list(self._hearing):
            if wanted == word:
                call()
