"""Health, for load balancers, containers and people. Nothing here tells what is inside to a stranger."""

from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from msgspec import Struct

from site2crm.core.access import public
from site2crm.core.errors import Unavailable
from site2crm.core.machine import Machine, Phase
from site2crm.ops import browser_errors, condition, metrics, proof
from site2crm.ops.condition import LAG_S

DEGRADED = "degraded: the database does not answer; forms and links go on"
CAPTURING = "capturing: forms and links are answered, pages wait until the data folder is taken over"
NOT_READY = {Phase.STANDBY: "Standby, waiting for the lock: another process serves this data folder."}


class Health(Struct, frozen=True):
    """`status` is "ok" or "degraded"; each check says "ok" or what is wrong."""

    status: str
    checks: dict[str, str]


@get("/livez", opt=public(), include_in_schema=False, media_type="text/plain")
async def live(machine: NamedDependency[Machine], challenge: FromQuery[str] = "") -> str:
    """The process answers; to a challenge, in a way that only this installation can."""
    return f"ok {proof.answer(machine.vault, challenge)}" if challenge else "ok"


@get("/readyz", opt=public(), include_in_schema=False, media_type="text/plain")
async def ready(machine: NamedDependency[Machine]) -> str:
    """It may be sent traffic: all of it, or while a folder is taken over forms and links, which nobody else answers."""
    if machine.phase is Phase.CAPTURING:
        return CAPTURING
    if not machine.ready:
        raise Unavailable(NOT_READY.get(machine.phase, "Starting or stopping."), headers={"Retry-After": "2"})
    return "ok" if machine.database.answers else DEGRADED


@get(["/health", "/healthz"], opt=public(), tags=["Health"])
async def health(machine: NamedDependency[Machine]) -> Response[Health]:
    """Database, disk and journal; 503 when one of them is not well. Forms are accepted even then."""
    checks = {
        "database": "ok" if await condition.database_answers(machine) else "does not answer",
        "disk": "ok" if condition.has_space(machine) else "nearly full",
        "journal": _journal(machine),
    }
    well = all(value == "ok" for value in checks.values())
    return Response(Health("ok" if well else "degraded", checks), status_code=200 if well else 503)


def _journal(machine: Machine) -> str:
    """Submissions that were accepted and are not yet leads: seconds, while all is well."""
    age = machine.inheritance.stats().submissions.oldest_unread_s
    return "ok" if age < LAG_S else f"accepted submissions have been waiting for {age:.0f} seconds"


router = Router(path="/", route_handlers=[live, ready, health, metrics.metrics, browser_errors.report])
