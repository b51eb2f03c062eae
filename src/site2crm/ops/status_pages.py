"""`/status` for everybody, `/admin/status` for the administrators of the instance; JSON for who accepts only that."""

from typing import Any

from litestar import Response, Router, get
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import service as accounts
from site2crm.core.access import INSTANCE, Who, needs, public
from site2crm.core.machine import Machine
from site2crm.core.web import AnyRequest, in_org_of, page
from site2crm.ops import inside
from site2crm.ops.condition import State, Watch

TONES = {State.UP: "good", State.DEGRADED: "warn", State.DOWN: "bad"}
WORDS = {State.UP: "Everything works", State.DEGRADED: "Something is slower than usual", State.DOWN: "A part is down"}
REFRESH_S = 10


@get("/status", opt=public())
async def status(
    request: AnyRequest, session: NamedDependency[AsyncSession], machine: NamedDependency[Machine]
) -> Response[Any]:
    """What works and what does not; nothing about anybody's data."""
    found = await machine.get(Watch).look(machine)
    if _wants_json(request):
        return Response(found, headers={"Cache-Control": "no-store"})
    return await page(
        request, session, "ops/status.html", title="Status", found=found, tones=TONES, words=WORDS, refresh_s=REFRESH_S
    )


@get("/admin/status", opt=needs(INSTANCE))
async def admin_status(
    request: AnyRequest,
    session: NamedDependency[AsyncSession],
    machine: NamedDependency[Machine],
    who: NamedDependency[Who],
) -> Response[Any]:
    """How the machine itself does."""
    found = await inside.look(machine, session)
    if _wants_json(request):
        return Response(found, headers={"Cache-Control": "no-store"})
    in_org_of(request, await accounts.at_home(session, who))
    return await page(
        request, session, "ops/admin_status.html", title="Instance status", found=found, tones=TONES, words=WORDS,
        refresh_s=REFRESH_S,
    )  # fmt: skip


def _wants_json(request: AnyRequest) -> bool:
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept


router = Router(path="/", route_handlers=[status, admin_status], include_in_schema=False)
