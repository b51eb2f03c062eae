"""Composition: settings in, a running instance out. The only module that knows every part."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache, partial

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.handlers import BaseRouteHandler
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from site2crm import __version__
from site2crm.accounts.authentication import add_rate_headers, authenticate
from site2crm.core import access, control, crypto, db, events, feature, folder, http, standby, tasks, web
from site2crm.core.asgi import ASGIApp
from site2crm.core.backup import upkeep
from site2crm.core.bell import Bell
from site2crm.core.config import Settings
from site2crm.core.crypto import Vault
from site2crm.core.db import Database
from site2crm.core.dependencies import provide_machine, provide_session, provide_who
from site2crm.core.errors import NotFound
from site2crm.core.eventstore import running as eventstore
from site2crm.core.front import Front
from site2crm.core.http import Outbound
from site2crm.core.idempotency import Idempotent
from site2crm.core.inheritance import Inheritance
from site2crm.core.journal.journal import Journal
from site2crm.core.machine import Machine, Phase
from site2crm.core.mail import Mailer
from site2crm.core.openapi import ApiConfig
from site2crm.core.queue import Jobs
from site2crm.core.succession import Succession
from site2crm.features import FEATURES


@dataclass(frozen=True)
class Instance:
    """A running product: what it is made of, and the ASGI app that answers."""

    machine: Machine
    app: ASGIApp


@asynccontextmanager
async def running(
    settings: Settings, *, background: bool = True, succession: Succession | None = None
) -> AsyncIterator[Instance]:
    """Bring everything up, in order; take it down in reverse. The caller holds the data folder.

    With `succession` somebody else still does: forms and links are answered at once, everything else from the moment
    on when that one has left. With `background=False` no job and no cron runs by itself: tests drive them with
    `machine.jobs.run_due()`.
    """
    _wire()
    async with AsyncExitStack() as stack:
        machine = await _machine(settings, stack, succession)
        for lifespan in (eventstore.recognising, *(each for part in FEATURES for each in part.captures)):
            await stack.enter_async_context(lifespan(machine))
        if background:
            await stack.enter_async_context(tasks.running("revisions", machine.revisions.run()))
            if machine.database.line is not None:
                await stack.enter_async_context(tasks.running("postgresql.line", machine.database.line.run()))
        app = build(machine)
        serving = partial(_serving, machine, background=background)
        if succession is None:
            await stack.enter_async_context(serving())
        else:
            await stack.enter_async_context(tasks.running("succession", succession.run(machine, serving)))
        yield Instance(machine, app)
        machine.phase = Phase.LEAVING


@asynccontextmanager
async def _serving(machine: Machine, *, background: bool) -> AsyncIterator[None]:
    """Everything that only one process of a folder may do."""
    async with AsyncExitStack() as stack:
        jobs = machine.jobs = _jobs(machine)
        stack.callback(machine.inheritance.close)
        await machine.inheritance.look()
        await stack.enter_async_context(eventstore.lifespan(machine))
        for lifespan in (each for part in FEATURES for each in part.lifespans):
            await stack.enter_async_context(lifespan(machine))
        await stack.enter_async_context(tasks.running("inheritance", machine.inheritance.run()))
        if background:
            controls = {verb: answer for part in FEATURES for verb, answer in part.controls.items()}
            await stack.enter_async_context(control.listening(machine, controls))
            await jobs.start()
            stack.push_async_callback(jobs.stop, machine.settings.server.shutdown_grace)
        machine.phase = Phase.SERVING
        machine.whole.set()
        yield


def build(machine: Machine) -> ASGIApp:
    """The whole ASGI app over a machine."""
    raw = {segment: make(machine) for part in FEATURES for segment, make in part.raw.items()}
    fallback = next((part.fallback(machine) for part in FEATURES if part.fallback is not None), None)
    return Front(machine, Idempotent(machine, router(machine.settings.server.max_body)), raw, fallback)


def _wire() -> None:
    feature.install(FEATURES)
    events.connect(
        [pair for part in FEATURES for pair in part.listens],
        [pair for part in FEATURES for pair in part.late],
    )
    for guards in (http.guards, crypto.guards):
        if db.refuse_while_writing not in guards:
            guards.append(db.refuse_while_writing)


async def _machine(settings: Settings, stack: AsyncExitStack, succession: Succession | None) -> Machine:
    data_dir = settings.data.dir
    folder.prepare(data_dir)
    database = Database(settings.records, readers=settings.database.readers)
    stack.push_async_callback(database.close)
    if succession is not None:
        await succession.read_along(database, data_dir)
    keys = settings.keys()  # in a new folder the process that serves it makes them
    if succession is None:
        copy_before = partial(upkeep.before_migration, settings)
        await stack.enter_async_context(standby.opened(database, data_dir, copy_before=copy_before))
    bell = Bell()
    await stack.enter_async_context(tasks.running("bell", bell.answer(database)))
    journal = Journal.open_free(data_dir / folder.JOURNAL, on_alarm=bell.ring)
    stack.push_async_callback(journal.close)
    outbound = Outbound(
        timeout_s=settings.outbound.timeout,
        max_response_bytes=settings.outbound.max_response,
        allow_private=settings.outbound.allow_private,
    )
    stack.push_async_callback(outbound.aclose)
    return Machine(
        settings=settings,
        data_dir=data_dir,
        database=database,
        journal=journal,
        inheritance=Inheritance(data_dir, journal, on_alarm=bell.ring),
        vault=Vault(keys.current, keys.previous),
        mailer=Mailer(settings.mail),
        outbound=outbound,
    )


def _jobs(machine: Machine) -> Jobs:
    return Jobs(
        machine.database,
        jobs=[spec for part in FEATURES for spec in part.jobs],
        crons=[cron for part in FEATURES for cron in part.crons],
        context=machine,
        node=machine.node,
        concurrency=machine.settings.queue.workers,
    )


@lru_cache(maxsize=4)
def router(max_body: int) -> Litestar:
    """Every route. It knows no instance: `Front` puts the machine into the request, so one serves many (in tests)."""
    app = Litestar(
        route_handlers=[router for part in FEATURES for router in part.routers],
        dependencies={
            "machine": Provide(provide_machine),
            "session": Provide(provide_session),
            "who": Provide(provide_who),
        },
        guards=[access.guard],
        before_send=[add_rate_headers],
        exception_handlers={Exception: web.answer_error},
        request_max_body_size=max_body,
        openapi_config=_openapi(),
        logging_config=None,
    )
    app.state.authenticate = authenticate
    return app


def _openapi() -> ApiConfig:
    return ApiConfig(
        title="Site2CRM API",
        version=__version__,
        path="/api/v1",
        openapi_router=Router(
            path="/api/v1",
            route_handlers=[],
            opt=access.public(),
            guards=[_described_only],
            include_in_schema=False,
        ),
        render_plugins=[JsonRenderPlugin()],
        use_handler_docstrings=True,
        components=Components(
            security_schemes={"key": SecurityScheme(type="http", scheme="bearer", description="s2c_live_...")}
        ),
        security=[{"key": []}],
    )


def _described_only(connection: access.Connection, _handler: BaseRouteHandler) -> None:
    """The framework would answer any other address below its own with a page; ours is a problem like every error."""
    if "path" in connection.path_params:
        raise NotFound
