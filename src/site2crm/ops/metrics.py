"""`/metrics`: how this process does, for Prometheus. Numbers only: no org, no person, no address.

Told to this machine only, unless `[server] metrics_token` is set: then to whoever sends it, and to nobody else. "This
machine" means a connection from loopback that names a loopback host and that no proxy has passed on.
"""

import hmac
import os
import resource
import shutil
from collections.abc import Iterator

from litestar import Response, get
from litestar.di import NamedDependency

from site2crm import __version__
from site2crm.core import alarms, db, feature, figures, meter, security
from site2crm.core.access import public
from site2crm.core.errors import AppError
from site2crm.core.eventstore import access as events
from site2crm.core.figures import CONTENT_TYPE, Figure, Kind, Sample, by, counter, gauge
from site2crm.core.machine import Machine
from site2crm.core.queue import store
from site2crm.core.shared_limits import SharedLimits
from site2crm.core.web import AnyRequest
from site2crm.ops import condition
from site2crm.ops.errors import FiguresWithheld

FORWARDED = (b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via", b"x-forwarded-host")


@get("/metrics", opt=public(), include_in_schema=False)
async def metrics(request: AnyRequest, machine: NamedDependency[Machine]) -> Response[str]:
    _admit(request, machine)
    found = [*_requests(machine), *_journal(machine), *_process(machine), *await _records(machine)]
    return Response(figures.text(found), media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})


def _admit(request: AnyRequest, machine: Machine) -> None:
    """Raises FiguresWithheld."""
    token = machine.settings.server.metrics_token.reveal()
    if token:
        given = request.headers.get("authorization", "").partition(" ")[2].strip()
        if not hmac.compare_digest(given.encode("utf-8", "replace"), token.encode()):
            raise FiguresWithheld("Send the token of [server] metrics_token: Authorization: Bearer <token>")
        return
    if not _is_local(request):
        raise FiguresWithheld(
            "Ask on the machine itself, past the proxy, as http://127.0.0.1:<port>/metrics; or set "
            "[server] metrics_token and send it: Authorization: Bearer <token>"
        )


def _is_local(request: AnyRequest) -> bool:
    names = {name for name, _ in request.scope["headers"]}
    client = request.scope.get("client")
    is_here = client is not None and client[0] in security.LOOPBACK_PEERS
    return is_here and security.names_this_machine(request.headers.get("host", "")) and names.isdisjoint(FORWARDED)


def _requests(machine: Machine) -> Iterator[Figure]:
    done = machine.meter
    yield gauge("info", "Which version answers.", 1, version=__version__)
    yield figures.histogram(
        "answer_seconds", "Time to an answer, by kind of request.", label="kind", timings=done.timings
    )
    routes = [
        Sample(count, {"route": route, "method": method, "status": f"{status}xx" if status else "none"})
        for (route, method, status), count in sorted(done.requests.items())
    ]
    yield Figure("requests_total", Kind.COUNTER, "Answers by route; redirects and static files apart.", routes)
    yield counter("redirects_total", "Short links followed.", done.redirects.count)
    yield counter("static_files_total", "Static files asked for.", done.statics)
    yield by(
        Kind.COUNTER, "log_lines_total", "Warnings and errors in the log.",
        label="level", values={level: meter.counted[level] for level in ("warning", "error")},
    )  # fmt: skip


def _journal(machine: Machine) -> Iterator[Figure]:
    stats = machine.inheritance.stats()
    streams = {"submissions": stats.submissions, "events": stats.events}
    for name, attribute, help in (
        ("journal_lag_records", "lag_records", "Accepted and not yet applied."),
        ("journal_lag_bytes", "lag_bytes", "The same in bytes."),
        ("journal_oldest_unread_seconds", "oldest_unread_s", "Age of the oldest record that is not applied."),
        ("journal_bytes", "bytes", "Disk space of the segments."),
        ("journal_quarantined_files", "quarantined_files", "Damaged pieces that were set aside."),
    ):
        values = {stream: float(getattr(one, attribute)) for stream, one in streams.items()}
        yield by(Kind.GAUGE, name, help, label="stream", values=values)
    yield by(
        Kind.COUNTER, "journal_appended_total", "Records taken since the start.",
        label="stream", values=machine.journal.appended,
    )  # fmt: skip
    yield counter("events_dropped_total", "Clicks lost to a flood or a full disk.", stats.dropped_events)
    yield gauge("events_store_up", "Whether clicks can be counted and asked for.", not events.is_away(machine))
    yield counter("journal_syncs_total", "Times that the disk was asked to write for good.", stats.syncs)
    yield counter("journal_sync_errors_total", "Times that it failed.", stats.sync_errors)


def _process(machine: Machine) -> Iterator[Figure]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    yield gauge("disk_free_bytes", "Free on the disk of the data folder.", shutil.disk_usage(machine.data_dir).free)
    yield gauge("memory_bytes", "Resident memory of the process.", condition.memory_bytes())
    yield counter("cpu_seconds_total", "Processor time of the process.", used.ru_utime + used.ru_stime)
    yield gauge("open_files", "Open files and connections.", len(os.listdir("/proc/self/fd")))  # noqa: PTH208 - names only
    if SharedLimits in machine.parts:
        shared = machine.get(SharedLimits).is_shared
        yield gauge("limits_shared", "Whether Redis answers, by which nodes share their rate limits.", shared)
    yield gauge("started_seconds", "When the process began, in unix seconds.", machine.meter.started_at.timestamp())


async def _records(machine: Machine) -> list[Figure]:
    """What only the database knows; without it, that it does not answer."""
    try:
        async with machine.session() as session:
            jobs = await store.stats(session)
            found = await feature.figures(machine, session)
            rung = len(await alarms.open_alarms(session, alarms.INSTANCE)), await alarms.open_elsewhere(session)
    except AppError as error:
        if not db.is_passing(error):
            raise
        return [gauge("database_up", "Whether the records can be read.", 0)]
    states: dict[str, float] = {"queued": jobs.queued, "active": jobs.active, "failed": jobs.failed}
    return [
        gauge("database_up", "Whether the records can be read.", 1),
        by(Kind.GAUGE, "jobs", "Jobs by state; queued ones may be for later.", label="state", values=states),
        gauge("jobs_oldest_due_seconds", "How long the job that is due the longest has waited.", jobs.oldest_due_s),
        by(
            Kind.GAUGE, "alarms", "Open alarms, of the instance and of all organisations.",
            label="of", values={"instance": rung[0], "orgs": rung[1]},
        ),
        *found,
    ]  # fmt: skip
