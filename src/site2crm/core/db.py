"""The records database: engines, sessions, column types.

Two engines on one database. The write engine has one connection and begins with the write lock (SQLite: `BEGIN
IMMEDIATE`; PostgreSQL: see `core.postgresql`), so that writers queue in order and never meet a conflict half way; the
read engine cannot write. A session reads from the second until its first write, and from then on does everything on
the first. One session is one transaction: `Database.session()` commits when its block ends and rolls back when it
raises.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    DateTime,
    Delete,
    Dialect,
    Engine,
    Insert,
    Integer,
    MetaData,
    Select,
    TypeDecorator,
    Update,
    and_,
    event,
    func,
    inspect,
    select,
)
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as SQLAlchemyTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from site2crm.core import postgresql, sqlite
from site2crm.core.config_types import Secret
from site2crm.core.errors import DatabaseAway, DatabaseBusy, DatabaseDisk

SQLITE_VERSION = sqlite.VERSION
"""Nobody asks for it: it keeps the import, which puts a safe SQLite in place before any engine is made."""

AfterCommit = Callable[[], Awaitable[None]]
Owned = TypeVar("Owned", bound="OrgOwned")

_PRAGMAS = ("busy_timeout=5000", "foreign_keys=ON", "temp_store=MEMORY", "cache_size=-16000", "trusted_schema=OFF")
_WRITER_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "journal_size_limit=67108864", "wal_autocheckpoint=4000")
_READER_PRAGMAS = ("query_only=ON",)
_PASSING_SIGNS = ("locked", "busy", "disk is full", "disk i/o error", "unable to open", "connection")
DISK_FULL = "53100"
"""PostgreSQL's SQLSTATE."""
_ROWS_FAULT = ("22", "23", "54")
"""SQLSTATEs: data, constraints, limits of the server."""

_EARLIEST, _LATEST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)

NUMBER = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits on both: SQLite's INTEGER has them, and only that counts up by itself."""

_open_write: ContextVar["RoutedSession | None"] = ContextVar("open_write", default=None)


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC moment; SQLite forgets the zone, this puts it back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        try:
            return value.astimezone(UTC) if value else None
        except OverflowError:  # somebody asks for the year 1, or 9999, in a zone where UTC is a year without a number
            return _EARLIEST if value and value.year == 1 else _LATEST

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        datetime: UtcTime,
        int: NUMBER,
        dict[str, str]: JSON(none_as_null=True),
        dict[str, Any]: JSON(none_as_null=True),
        list[str]: JSON(none_as_null=True),
        list[dict[str, Any]]: JSON(none_as_null=True),
    }


class OrgOwned:
    """A table whose rows belong to one org; read it through `in_org`."""

    org_id: Mapped[str] = mapped_column(index=True)


class RoutedSession(Session):
    """Reads from the read engine until the first write; then the write engine has everything."""

    writer: Engine
    reader: Engine
    writing = False

    def get_bind(self, mapper: Any = None, *, clause: Any = None, **options: Any) -> Engine:
        if not self.writing and (self._flushing or isinstance(clause, (Insert, Update, Delete))):
            self.take_write()
        return self.writer if self.writing else self.reader

    def take_write(self) -> None:
        self.writing = True
        _open_write.set(self)


def holds_write() -> bool:
    """Whether this context has an open write transaction, which nothing slow may happen in."""
    held = _open_write.get()
    return held is not None and held.writing and held.in_transaction()


def refuse_while_writing() -> None:
    if holds_write():
        raise RuntimeError("slow work (network, password hash) inside an open write transaction: commit first")


def in_org(model: type[Owned], org_id: str) -> Select[Owned]:
    """Rows of this org and no other."""
    return select(model).where(model.org_id == org_id)


def these(model: type[OrgOwned], org_id: str, ids: Collection[str]) -> ColumnElement[bool]:
    """Rows with these ids, as far as they are this org's.

    With a plain `org_id = ?` beside several ids SQLite takes an index on the org and walks all that the org has.
    """
    [id] = inspect(model).primary_key
    return and_(id.in_(ids), func.coalesce(model.org_id, "") == org_id)


class Database:
    """Both engines and the sessions over them: on a file, or on the PostgreSQL at an address."""

    def __init__(self, place: Path | Secret, *, readers: int = 4) -> None:
        self.place = place
        self.line = postgresql.Line(place) if isinstance(place, Secret) else None
        """Where other nodes are heard; None on SQLite, where there are none."""
        self.views: Sequence[str] = ()
        """What is read in the place of tables while another process has not brought them to this version's schema."""
        self.writer = _writer(place)
        self.reader = _reader(place, readers, lambda: self.views)
        bound = type(
            "BoundSession",
            (RoutedSession,),
            {
                "writer": self.writer.sync_engine,
                "reader": self.reader.sync_engine,
            },
        )
        self.is_open = True
        """Closed until its schema is known to be this version's and this process may write: a node may start while
        PostgreSQL is away, a standby while another process serves the folder."""
        self.is_readable = False
        """Whether caches may be filled all the same."""
        self.answers = True
        """Whether it did the last time that it was asked."""
        self.on_bump: AfterCommit | None = None
        """Reloads the caches of this process at once; other processes notice by polling."""
        self._sessions = async_sessionmaker(sync_session_class=bound, expire_on_commit=False)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """One transaction: committed when the block ends, rolled back when it raises.

        Raises DatabaseBusy when another process holds the write lock for longer than the busy timeout.
        """
        if not self.is_open:
            self.answers = False
            raise DatabaseAway
        async with self._transaction() as session:
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """For caches, which a standby fills too. Raises DatabaseAway, as `session`."""
        if not (self.is_open or self.is_readable):
            self.answers = False
            raise DatabaseAway
        async with self._transaction() as session:
            yield session

    async def look_through(self, views: Sequence[str]) -> None:
        """Read through these from now on."""
        self.views = views
        await self.reader.dispose()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncSession]:
        async with self._sessions() as session:
            session.info["on_bump"] = self.on_bump
            try:
                yield session
                await session.commit()
                self.answers = True
            except DBAPIError as error:
                await session.rollback()
                if is_passing(error):
                    self.answers = False
                    raise refusal(error) from error
                raise
            except (DatabaseAway, ConnectionError) as error:
                self.answers = False
                await session.rollback()
                raise DatabaseAway from error
            except BaseException:
                await session.rollback()
                raise
            finally:
                _released(session)
        for call in session.info.get("after_commit", ()):
            await call()

    @property
    def path(self) -> Path:
        """SQLite's file. Only asked where there is one."""
        assert isinstance(self.place, Path)
        return self.place

    @property
    def is_shared(self) -> bool:
        """Whether other nodes may use it at the same time."""
        return self.line is not None

    async def close(self) -> None:
        await self.writer.dispose()
        await self.reader.dispose()


async def lock(session: AsyncSession) -> None:
    """Take the write lock first: what is read from here on cannot change before the commit."""
    _routed(session).take_write()
    await session.connection()


def is_postgresql(session: AsyncSession) -> bool:
    """For the few statements that the two databases do not share."""
    return _routed(session).writer.dialect.name == postgresql.NAME


def after_commit(session: AsyncSession, call: AfterCommit) -> None:
    """Run `call` once this session's transaction is on disk; never if it is rolled back."""
    session.info.setdefault("after_commit", []).append(call)


def is_passing(error: BaseException) -> bool:
    """Locked, busy, disk full, connection lost: the same work may succeed later. Not the data's fault."""
    if isinstance(error, DatabaseBusy | SQLAlchemyTimeout):
        return True
    if not isinstance(error, DBAPIError) or isinstance(error, IntegrityError):
        return False  # "NOT NULL constraint failed: connection.name" is about a table, not about a lost connection
    if error.connection_invalidated:
        return True
    if state := getattr(error.orig, "sqlstate", None):
        return postgresql.is_passing_state(state)
    text = str(error.orig).lower()
    return not _is_unsendable(error) and any(sign in text for sign in _PASSING_SIGNS)


def refusal(error: DBAPIError) -> DatabaseBusy:
    """What a person is told of a failure that passes."""
    text = str(error.orig).lower()
    if _is_away(error):
        return DatabaseAway()
    if "disk is full" in text or getattr(error.orig, "sqlstate", None) == DISK_FULL:
        return DatabaseDisk("The disk that the database is on is full.")
    if "disk i/o error" in text or "unable to open" in text:
        return DatabaseDisk("The disk that the database is on reports an error.")
    return DatabaseBusy()


def _is_away(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or state.startswith(("08", "57P"))


def blames_the_row(error: BaseException) -> bool:
    """What was to be written is refused for itself: a broken rule, a value too long or of the wrong kind."""
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None) or ""
    return isinstance(error, DataError | IntegrityError) or state.startswith(_ROWS_FAULT) or _is_unsendable(error)


def _is_unsendable(error: DBAPIError) -> bool:
    """PostgreSQL's driver looks at values before it sends them, and quotes them in what it says."""
    return "invalid input for query argument" in str(error.orig)


def _routed(session: AsyncSession) -> RoutedSession:
    held = session.sync_session
    assert isinstance(held, RoutedSession)
    return held


def _released(session: AsyncSession) -> None:
    _routed(session).writing = False


def _writer(place: Path | Secret) -> AsyncEngine:
    if isinstance(place, Secret):
        return postgresql.engine(place, size=1, writes=True)
    return _engine(place, size=1, read_only=False)


def _reader(place: Path | Secret, readers: int, views: Callable[[], Sequence[str]]) -> AsyncEngine:
    if isinstance(place, Secret):
        return postgresql.engine(place, size=readers, writes=False)
    return _engine(place, size=readers, read_only=True, views=views)


def _engine(path: Path, *, size: int, read_only: bool, views: Callable[[], Sequence[str]] = tuple) -> AsyncEngine:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        pool_size=size,
        max_overflow=0,
        pool_timeout=30,
        json_serializer=lambda value: msgspec.json.encode(value).decode(),
        json_deserializer=msgspec.json.decode,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin by itself; see `begin` below
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        for view in views():
            cursor.execute(view)
        for pragma in _READER_PRAGMAS if read_only else _WRITER_PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine
