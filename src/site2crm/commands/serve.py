"""`site2crm serve`: everything, in one process.

The server runs inside this process's own event loop (Granian's embedded server), so a kill of the one process ends
all of it: nothing can be orphaned on the port.
"""

import asyncio
import gc
import os
import signal
import socket
from contextlib import suppress
from functools import partial
from pathlib import Path

import click
import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from sqlalchemy.exc import DBAPIError

from site2crm import __version__
from site2crm.accounts import service as accounts
from site2crm.app import Instance, running
from site2crm.commands import options
from site2crm.commands.options import Exit
from site2crm.core import folder, live, log, migrate, reporting, tasks, tracing
from site2crm.core.backup import upkeep
from site2crm.core.backup.errors import BackupFailed
from site2crm.core.config import KeyUnusable, Listen, Settings
from site2crm.core.errors import DatabaseRefused, Unavailable
from site2crm.core.journal.contract import JournalInUse
from site2crm.core.machine import Machine, Phase
from site2crm.core.notify import Supervisor
from site2crm.core.succession import CannotFollow, Succession
from site2crm.ops import declared

BACKLOG = 4096
LISTEN_POLL_S = 0.02
NOTICED_S = 2.5
"""Caddy asks every second whether we are ready (`site2crm caddyfile`): it sends elsewhere, or waits, before we go."""
STANDING_S = 1.0
GC_THRESHOLD = (20_000, 20, 50)
"""Objects between collections: the default of 700 stops the world for every other submission under load."""

_log = log.get("serve")


@click.command("serve")
@options.common
@click.option("--listen", help="Address and port, such as 127.0.0.1:8080.")
@click.option("--public-url", help="Where browsers reach it, such as https://leads.acme.example.")
@click.option(
    "--standby",
    is_flag=True,
    help="If another process serves the folder: answer forms and links beside it, and take over when it stops.",
)
def command(
    *,
    config_path: Path | None,
    data_dir: Path | None,
    as_json: bool,
    listen: str | None,
    public_url: str | None,
    standby: bool,
) -> None:
    """Run the product until it is told to stop."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something that could read the file again
    settings = options.settings(config_path, data_dir, server__listen=listen, server__public_url=public_url)
    run(settings, standby=standby)


def run(settings: Settings, *, standby: bool = False) -> None:
    """Until it is told to stop; what keeps it from starting ends the process with its exit code."""
    log.setup(settings.log)
    reporting.start(settings.log.sentry_dsn)
    tracing.start(settings.log)
    try:
        folder.prepare(settings.data.dir)
        with (
            folder.Place(settings.data.dir, folder.LOCK) as lock,
            folder.Place(settings.data.dir, folder.STANDBY) as behind,
        ):
            succession = _place(settings, lock, behind, standby=standby)
            _refuse_taken_port(settings)
            uvloop.run(_serve(settings, lock, succession))
    except folder.FolderHeld as error:
        options.stop(Exit.BUSY, str(error))
    except CannotFollow as error:
        options.stop(Exit.SCHEMA, str(error))
    except JournalInUse as error:
        options.stop(Exit.BUSY, str(error))
    except (migrate.SchemaTooNew, migrate.MigrationFailed) as error:
        options.stop(Exit.SCHEMA, str(error))
    except BackupFailed as error:
        options.stop(Exit.FAILED, f"Before a change of the schema a backup is made. {error}")
    except KeyUnusable as error:
        options.stop(Exit.CONFIG, str(error))
    except DatabaseRefused as error:
        options.stop(Exit.DATABASE, f"[database] url: {error}")
    except Unavailable as error:
        options.stop(Exit.DATABASE, error.detail)
    except DBAPIError as error:
        where = settings.records if isinstance(settings.records, Path) else "[database] url"
        options.stop(Exit.DATABASE, f"{where}: {error.orig}")
    except PermissionError as error:
        options.stop(Exit.FAILED, f"{error.filename}: {error.strerror}")
    finally:
        tracing.stop()
        reporting.stop()


def _refuse_taken_port(settings: Settings) -> None:
    """Granian would share the port with a stranger (SO_REUSEPORT); we want it alone."""
    listen = settings.server.listen
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((listen.host, listen.port))
        except OSError as error:
            options.stop(Exit.ADDRESS, f"{listen} cannot be bound: {error.strerror}. Choose another with --listen.")


def _place(settings: Settings, lock: folder.Place, behind: folder.Place, *, standby: bool) -> Succession | None:
    """Take the folder, or else the place behind the one who has it. Raises FolderHeld.

    Whoever may stand by answers forms and links before a pending migration also where nobody else is there any more.
    """
    data_dir, listen = settings.data.dir, str(settings.server.listen)
    if lock.take(listen=listen):
        folder.finish_swap(data_dir)
    else:
        served = folder.served(data_dir, lock.told())
        if not standby:
            raise folder.FolderHeld(f"{served}; with --standby this one would wait beside it, and follow it")
        if not behind.take(listen=listen):
            follower = behind.told().pid or "unknown"
            raise folder.FolderHeld(f"{served}, and process {follower} stands by to follow it: stop one of them first")
    copy_before = partial(upkeep.before_migration, settings)
    return Succession(lock, behind, listen=listen, copy_before=copy_before) if standby else None


async def _serve(settings: Settings, lock: folder.Place, succession: Succession | None) -> None:
    gc.disable()
    async with running(settings, succession=succession) as instance:
        server = _server(settings, instance)
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        rereading = asyncio.Event()
        loop.add_signal_handler(signal.SIGHUP, rereading.set)
        await _announce(settings, instance.machine, succession)
        _settle_memory()
        supervisor = Supervisor.of(os.environ)
        serving = asyncio.create_task(server.serve())
        ends = [asyncio.create_task(event.wait()) for event in (stopping, *_failures(succession))]
        async with (
            tasks.running("ready", _ready(settings, instance.machine, supervisor)),
            tasks.running("reread", _reread(instance.machine, rereading)),
        ):
            await asyncio.wait({serving, *ends}, return_when=asyncio.FIRST_COMPLETED)
        supervisor.tell("STOPPING=1")
        await _leave(instance.machine, lock)
        live.end()
        server.stop()  # type: ignore[no-untyped-call]
        await serving
    if not stopping.is_set():
        raise SystemExit(Exit.FAILED)  # it has logged why; whoever has started us does so again


async def _reread(machine: Machine, asked: asyncio.Event) -> None:
    """SIGHUP: the orgs, forms and CRMs of the file. Everything else in it takes a restart."""
    while True:
        await asked.wait()
        asked.clear()
        await machine.whole.wait()
        _log.info("serve.rereads", file=str(machine.settings.file))
        await declared.apply_or_ring(machine)


def _failures(succession: Succession | None) -> list[asyncio.Event]:
    return [] if succession is None else [succession.failed]


async def _leave(machine: Machine, lock: folder.Place) -> None:
    """Tell a standby that its time has come, and answer on until the proxy in front has noticed too: what it writes to
    a connection that is just being closed, it would not write a second time."""
    follower = folder.waiting(machine.data_dir) if lock.is_mine else None
    machine.phase = Phase.LEAVING
    if follower is not None:
        _log.info("serve.hands_over", to=follower.pid)
        lock.leave()
    if follower is not None or machine.settings.server.trusted_proxies:
        await asyncio.sleep(NOTICED_S)


async def _ready(settings: Settings, machine: Machine, supervisor: Supervisor) -> None:
    """Say so once the port answers, not before; then keep the watchdog quiet while all parts live."""
    listen = settings.server.listen
    while not await _answers(listen):  # noqa: ASYNC110 - another thread listens, and tells nobody
        await asyncio.sleep(LISTEN_POLL_S)
    click.echo("ready")
    supervisor.tell("READY=1", f"STATUS={_standing(machine)} {listen}")
    async with tasks.running("status", _tell_standing(settings, machine, supervisor)):
        if supervisor.watchdog_s:
            await supervisor.feed(lambda: _dead(machine))
        await asyncio.Event().wait()


async def _tell_standing(settings: Settings, machine: Machine, supervisor: Supervisor) -> None:
    """A standby becomes the server, or finds that it cannot."""
    told = _standing(machine)
    if not machine.whole.is_set():
        while not machine.whole.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(STANDING_S):
                    await machine.whole.wait()
            if _standing(machine) != told:
                told = _standing(machine)
                supervisor.tell(f"STATUS={told} {settings.server.listen}")
        await _invite(settings, machine)
        _settle_memory()
    await asyncio.Event().wait()  # one that had ended would count as dead


def _standing(machine: Machine) -> str:
    if machine.trouble:
        return f"forms and links only ({machine.trouble}), listening on"
    return "listening on" if machine.whole.is_set() else "standby, waiting for the lock, listening on"


async def _answers(listen: Listen) -> bool:
    try:
        _, writer = await asyncio.open_connection(listen.reached_at, listen.port)
    except OSError:
        return False
    writer.close()
    return True


def _dead(machine: Machine) -> list[str]:
    """Parts without which leads would only pile up."""
    has_jobs = not machine.whole.is_set() or (machine.jobs is not None and machine.jobs.is_alive)
    parts = {"journal": machine.journal.is_alive, "jobs": has_jobs}
    return [*tasks.dead(), *(name for name, is_alive in parts.items() if not is_alive)]


def _settle_memory() -> None:
    """What is loaded stays for ever: the collector need not walk it while we start, nor later while requests wait."""
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLD)
    gc.enable()


def _server(settings: Settings, instance: Instance) -> Server:
    listen = settings.server.listen
    return Server(
        instance.app,
        address=listen.host,
        port=listen.port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        backpressure=settings.server.max_connections,
        http1_settings=HTTP1Settings(header_read_timeout=int(settings.server.header_timeout * 1000)),
        log_enabled=False,
    )


async def _announce(settings: Settings, machine: Machine, succession: Succession | None) -> None:
    click.echo(f"site2crm {__version__}  data {settings.data.dir}")
    click.echo(f"listening on http://{settings.server.listen}   public {settings.base_url}")
    if succession is None:
        await _invite(settings, machine)
    elif succession.predecessor is not None:
        pid = succession.predecessor or "unknown"
        click.echo(f"standby: waits for the lock of process {pid}; forms and links are answered already")


async def _invite(settings: Settings, machine: Machine) -> None:
    """Of a new installation: how it gets an owner."""
    try:
        setup = await accounts.setup_url(machine)
    except Unavailable:
        click.echo("the database does not answer: forms and links go on from what was kept, the rest waits for it")
        return
    if setup is not None:
        click.echo(f"first run: make the owner at  {setup}   (30 minutes, once)")
        if "SSH_CONNECTION" in os.environ and not settings.server.public_url:
            port = settings.server.listen.port
            click.echo(f"from your own machine:  ssh -L {port}:127.0.0.1:{port} <this host>")
