"""The orgs, forms and CRMs of the configuration file: applied at each start and by SIGHUP, shown by `site2crm plan`.

What is wrong with them stops no start and takes nothing away: what was applied before stays as it is, with an alarm
that names file and line, until the file is mended.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.accounts import queries as accounts
from site2crm.core import alarms, config_sources, db, feature, log, tasks
from site2crm.core.access import OrgRef
from site2crm.core.config import Settings
from site2crm.core.config_sources import Problem
from site2crm.core.crypto import Vault
from site2crm.core.declared import plan, reading
from site2crm.core.declared.contract import Declares, NotYet
from site2crm.core.declared.plan import Action, NotApplied, Step
from site2crm.core.declared.reading import Declaration
from site2crm.core.errors import AppError, Unavailable
from site2crm.core.machine import Machine

ALARM = "config.declared"
AGAIN_S = 3.0
"""How often it is tried while the first owner is not there yet."""

_log = log.get("declared")


def read(settings: Settings, *, file: Path | None = None) -> Declaration:
    """Every entry of the file, and everything that is wrong with them. `file`: another than the one that is served."""
    file = file or settings.file
    if file is None:
        return Declaration([], [])
    written, problems = config_sources.declared(file)
    if problems:
        return Declaration([], problems)
    return reading.read(written, tables(), env=os.environ, folder=settings.data.dir)


def tables() -> Mapping[str, Declares]:
    return feature.declared_tables()


async def planned(session: AsyncSession, vault: Vault, declaration: Declaration) -> list[Step]:
    """What applying would do. Raises NotApplied."""
    return await (await planner(session, vault)).plan(declaration.entries)


async def apply(machine: Machine) -> list[Step]:
    """All of it in one transaction, or nothing. Raises NotApplied, NotYet."""
    declaration = await asyncio.to_thread(read, machine.settings)
    if declaration.problems:
        raise NotApplied(declaration.problems)
    async with machine.session() as session:
        await db.lock(session)
        steps = await (await planner(session, machine.vault)).apply(declaration.entries)
        await alarms.clear(session, alarms.INSTANCE, code=ALARM)
    for step in steps:
        if step.action is not Action.KEEP:
            _log.info("declared.applied", action=step.action.value, entry=step.path, source=step.source)
    return steps


@asynccontextmanager
async def applied(machine: Machine) -> AsyncIterator[None]:
    """At the start; again until there is an owner to give the orgs to, and a database that answers."""
    if await apply_or_ring(machine):
        yield
        return
    async with tasks.running("declared", _patiently(machine)):
        yield


async def apply_or_ring(machine: Machine) -> bool:
    """Whether that is settled: applied, or refused with an alarm. Not before there is an owner, and a database."""
    try:
        await apply(machine)
    except (NotYet, Unavailable):
        return False
    except NotApplied as error:
        await _ring(machine, error.problems)
    except AppError as error:
        await _ring(machine, [Problem(str(machine.settings.file), None, "orgs", error.detail or error.title)])
    return True


async def _patiently(machine: Machine) -> None:
    while not await apply_or_ring(machine):  # noqa: ASYNC110 - another process may make the owner, and tells nobody
        await asyncio.sleep(AGAIN_S)
    await asyncio.Event().wait()  # a task that had ended would count as dead


async def _ring(machine: Machine, problems: Sequence[Problem]) -> None:
    more = f" And {len(problems) - 1} more." if len(problems) > 1 else ""
    first = str(problems[0])
    end = "" if first.endswith((".", "?", "!")) else "."
    text = f"{first}{end}{more} What was applied before stays; `site2crm check` tells all, SIGHUP reads it again."
    async with machine.session() as session:
        await alarms.ring(session, alarms.INSTANCE, code=ALARM, text=text)


async def planner(session: AsyncSession, vault: Vault) -> plan.Planner:
    """One walk over the entries, with what the records have."""
    orgs = [await accounts.org(session, org_id) for org_id in await accounts.org_ids(session)]
    refs = {org.id: OrgRef(org.id, org.slug, org.name, org.time_zone) for org in orgs}
    return await plan.planner(session, vault, kinds=tables(), orgs=refs)
