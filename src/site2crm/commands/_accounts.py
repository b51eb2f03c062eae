"""What `admin`, `org` and `key` share: the database, and the words for what was refused.

They may run while the server runs: each is one transaction in a process of its own. On an empty data folder they
make the database first, so that a script can prepare an installation before its first start.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import click
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.commands import options
from site2crm.commands.options import Exit
from site2crm.core import db, events, feature, folder, migrate
from site2crm.core.config import KeyUnusable, Settings
from site2crm.core.db import Database
from site2crm.core.errors import AppError, DatabaseRefused, Unavailable
from site2crm.features import FEATURES

T = TypeVar("T")
Work = Callable[[AsyncSession], Awaitable[T]]


def write(settings: Settings, work: Work[T]) -> T:
    """Do `work` in one transaction, or say why not and end."""
    data_dir = settings.data.dir
    try:
        folder.prepare(data_dir)
        settings.keys()  # first: a data folder that holds a database but no key is refused as half a backup
        return asyncio.run(_written(settings, work))
    except (migrate.SchemaTooNew, migrate.MigrationFailed) as error:
        options.stop(Exit.SCHEMA, str(error))
    except KeyUnusable as error:
        options.stop(Exit.CONFIG, str(error))
    except DatabaseRefused as error:
        options.stop(Exit.DATABASE, f"[database] url: {error}")
    except Unavailable as error:
        options.stop(Exit.DATABASE, error.detail)
    except DBAPIError as error:
        options.stop(Exit.DATABASE, f"{data_dir / folder.DATABASE}: {error.orig}")
    except AppError as error:
        options.stop(Exit.FAILED, error.detail or error.title)
    except OSError as error:
        options.stop(Exit.FAILED, f"{error.filename}: {error.strerror}")


def password(from_stdin: bool) -> str:
    """From standard input, its line break removed; else asked for twice, on a terminal only."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask on: use --password-stdin.")
    typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return typed


async def _written(settings: Settings, work: Work[T]) -> T:
    await migrate.bring_up(settings.records, settings.data.dir)
    feature.install(FEATURES)
    events.connect(
        [pair for part in FEATURES for pair in part.listens],
        [],  # late listeners mend caches of a running server; that one notices by itself
    )
    async with _opened(settings) as database, database.session() as session:
        await db.lock(session)
        return await work(session)


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings.records, readers=1)
    try:
        yield database
    finally:
        await database.close()
