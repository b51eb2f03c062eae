"""Traces told to an OpenTelemetry collector, if `[log] traces_url` is set: what took how long, from form to CRM.

One trace is a request and all that follows from it. What is posted to a form is followed for days and over nodes: the
trace's id is made from the submission's, every other one from the request's or the job's own, all of which the log
names. So nothing has to travel along, and a line of the log leads to its trace.

Told are routes, jobs and hosts with their ids, never a path, a body, an address or an error's text. Redirects are left
out: answered from memory, counted in `/metrics`. The library is loaded by the first span, in the thread that sends.
"""

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b
from typing import NamedTuple

from site2crm import __version__
from site2crm.core import heavy, log
from site2crm.core.config_schema import Log as Settings

WAITING = 4_096
AT_ONCE = 512
EVERY_S = 1.0
LAST_S = 2.0
QUIET_S = 60.0
SERVER, INSIDE, CLIENT = "SERVER", "INTERNAL", "CLIENT"

Attributes = dict[str, str | int]

_log = log.get("traces")
_inside: ContextVar[tuple[str, str] | None] = ContextVar("span", default=None)
"""Trace and span that this task works in."""


class Span(NamedTuple):
    """One stretch of work. Ids are hex digits; `begun` and `ended` are nanoseconds since 1970."""

    trace: str
    id: str
    parent: str
    name: str
    kind: str
    begun: int
    ended: int
    attributes: Attributes
    failed: str
    """The type of the error, if it ended with one."""


def trace_of(origin: str) -> str:
    """The trace that begins with this submission, request or job, by its id."""
    return blake2b(origin.encode(), digest_size=16).hexdigest()


def span_of(origin: str) -> str:
    """The first span of that trace, which is the parent of all that follows."""
    return blake2b(origin.encode(), digest_size=8, person=b"span").hexdigest()


def answered(name: str, origin: str, *, seconds: float, attributes: Attributes, failed: str = "") -> None:
    """A request that has just been answered: the first span of its trace."""
    if _tracer is not None:
        ended = time.time_ns()
        begun = ended - round(seconds * 1e9)
        _tracer.take(Span(trace_of(origin), span_of(origin), "", name, SERVER, begun, ended, attributes, failed))


def followed(name: str, origin: str, *, since: float, attributes: Attributes) -> None:
    """What a submission or request set off has just been done; `since`: when it came, in seconds since 1970."""
    if _tracer is not None:
        own, begun = span_of(f"{name} {origin}"), round(since * 1e9)
        told = Span(trace_of(origin), own, span_of(origin), name, INSIDE, begun, time.time_ns(), attributes, "")
        _tracer.take(told)


@contextmanager
def span(name: str, *, kind: str = INSIDE, origin: str = "", job: str = "") -> Iterator[Attributes]:
    """Work of this task; what is put into the yielded attributes is told.

    It belongs to the trace of `origin`, else to that of the span around it, of the request, or of the `job` that it is.
    Outside of all of them nothing is told: nobody would look for it.
    """
    place = _place(origin, job) if _tracer is not None else None
    if place is None:
        yield {}
        return
    trace, parent = place
    begun, attributes, failed = time.time_ns(), Attributes(), ""
    own = span_of(f"{name} {trace} {begun}")
    before = _inside.set((trace, own))
    try:
        yield attributes
    except BaseException as error:
        failed = type(error).__name__
        raise
    finally:
        _inside.reset(before)
        tracer = _tracer  # may have been stopped meanwhile
        if tracer is not None:
            tracer.take(Span(trace, own, parent, name, kind, begun, time.time_ns(), attributes, failed))


def _place(origin: str, job: str) -> tuple[str, str] | None:
    """Trace and parent of a span that begins here."""
    inside = _inside.get()
    if inside is not None and not origin:
        return inside
    first = origin or str(log.bound().get("request_id") or "")
    if first:
        return trace_of(first), span_of(first)
    return (trace_of(job), "") if job else None


class Tracer:
    """Takes spans from any thread, sends them from one of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._below = round(settings.traces_share * 0xFFFF)
        self._queue: queue.Queue[Span | None] = queue.Queue(WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._said_at = float("-inf")

    def take(self, one: Span) -> None:
        """Never waits. Of a trace all spans are kept, or none."""
        if int(one.trace[:4], 16) > self._below:
            return
        if self._thread is None:
            self._start()
        try:
            self._queue.put_nowait(one)
        except queue.Full:
            self._say("traces.dropped")

    def close(self) -> None:
        """Send what is left, for a moment."""
        if self._thread is not None:
            try:
                self._queue.put(None, timeout=LAST_S)
            except queue.Full:
                return
            self._thread.join(LAST_S)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._send, name="traces", daemon=True)
                self._thread.start()

    def _send(self) -> None:
        """The thread. Whatever fails here fails alone."""
        try:
            engine = heavy.trace_engine().Engine(self._settings, version=__version__)
        except Exception as error:  # noqa: BLE001 - a wrong address must not end the server
            return _log.warning("traces.unusable", error=type(error).__name__)
        while batch := self._batch():
            if not engine.send(batch):
                self._say("traces.not_sent")
        engine.close()
        return None

    def _batch(self) -> list[Span]:
        """What has come within a second of the first; nothing at the end."""
        batch: list[Span] = []
        until = float("inf")
        while len(batch) < AT_ONCE:
            try:
                one = self._queue.get(timeout=None if not batch else max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if one is None:
                if batch:
                    self._queue.put(None)
                break
            batch.append(one)
            until = min(until, time.monotonic() + EVERY_S)
        return batch

    def _say(self, event: str) -> None:
        """Once a minute: a collector that is away must not fill the log."""
        if time.monotonic() - self._said_at >= QUIET_S:
            self._said_at = time.monotonic()
            _log.warning(event, url=self._settings.traces_url)


_tracer: Tracer | None = None


def start(settings: Settings) -> None:
    """From now on; call it after `log.setup`."""
    global _tracer
    stop()
    if settings.traces_url:
        _tracer = Tracer(settings)


def stop() -> None:
    global _tracer
    tracer, _tracer = _tracer, None
    if tracer is not None:
        tracer.close()


def is_on() -> bool:
    return _tracer is not None
