"""Health, for load balancers, containers and people. Nothing here tells what is inside to a stranger."""

import asyncio
import shutil

from litestar import Response, Router, get
from litestar.di import NamedDependency
from msgspec import Struct
from sqlalchemy import text

from site2crm.core.access import public
from site2crm.core.errors import AppError, Unavailable
from site2crm.core.machine import Machine

DATABASE_WAIT_S = 2.0
LAG_S = 60
DEGRADED = "degraded: the database does not answer; forms and links go on"


class Health(Struct, frozen=True):
    """`status` is "ok" or "degraded"; each check says "ok" or what is wrong."""

    status: str
    checks: dict[str, str]


@get("/livez", opt=public(), include_in_schema=False, media_type="text/plain")
async def live() -> str:
    """The process answers."""
    return "ok"


@get("/readyz", opt=public(), include_in_schema=False, media_type="text/plain")
async def ready(machine: NamedDependency[Machine]) -> str:
    """It may be sent traffic."""
    if not machine.ready:
        raise Unavailable("Starting or stopping.", headers={"Retry-After": "2"})
    return "ok" if machine.database.answers else DEGRADED


@get(["/health", "/healthz"], opt=public(), tags=["Health"])
async def health(machine: NamedDependency[Machine]) -> Response[Health]:
    """Database, disk and journal; 503 when one of them is not well. Forms are accepted even then."""
    checks = {"database": await _database(machine), "disk": _disk(machine), "journal": _journal(machine)}
    well = all(value == "ok" for value in checks.values())
    return Response(Health("ok" if well else "degraded", checks), status_code=200 if well else 503)


async def _database(machine: Machine) -> str:
    try:
        async with asyncio.timeout(DATABASE_WAIT_S), machine.session() as session:
            await session.execute(text("SELECT 1"))
    except (AppError, TimeoutError):
        return "does not answer"
    return "ok"


def _disk(machine: Machine) -> str:
    free = shutil.disk_usage(machine.data_dir).free
    return "ok" if free >= machine.settings.data.min_free else "nearly full"


def _journal(machine: Machine) -> str:
    """Submissions that were accepted and are not yet leads: seconds, while all is well."""
    age = machine.journal.stats().submissions.oldest_unread_s
    return "ok" if age < LAG_S else f"accepted submissions have been waiting for {age:.0f} seconds"


router = Router(path="/", route_handlers=[live, ready, health])
