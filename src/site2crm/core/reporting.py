"""Errors told to Sentry, if `[log] sentry_dsn` is set: where the code failed, never what it was about.

Of an event only the fields below are sent: types, stack (file, line, our own source), the event's name, ids. No bodies,
no local variables, no addresses, no headers. The texts of exceptions may quote what a visitor sent, so everything in
quotes, every e-mail, number and long word is taken out of them. At most `A_MINUTE` are sent; the log has them all.

The library is loaded by the first error, in the thread that sends: no start and no request waits for it.
"""

import logging
import queue
import re
import threading
from collections.abc import Mapping
from typing import Any

from site2crm import __version__
from site2crm.core import heavy, log
from site2crm.core.config_types import Secret
from site2crm.core.ratelimit import Limits

A_MINUTE = 20
OF_ONE_KIND = 3
WAITING = 50
LAST_S = 2.0
LONGEST = 600
SENT = frozenset({
    "event_id", "timestamp", "platform", "level", "logger", "logentry", "exception", "tags", "release", "fingerprint",
    "sdk",
})  # fmt: skip
TAGS = frozenset({
    "request_id", "job", "job_id", "attempt", "delivery", "connection", "submission", "org", "task", "method", "code",
    "stream", "page", "where",
})  # fmt: skip
_OUT = (
    (re.compile(r"\[parameters:.*", re.DOTALL), "[parameters: ...]"),
    (re.compile(r"\(Background on this error.*", re.DOTALL), ""),
    (re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""), "'...'"),
    (re.compile(r"\S+@\S+"), "..."),
    (re.compile(r"(?<=[/\w])[?#]\S*"), "..."),
    (re.compile(r"(?<![.\w])[A-Za-z0-9_=+-]{24,}"), "..."),
    (re.compile(r"\+?\d[\d ()./-]{5,}\d"), "..."),
)

_log = log.get("sentry")


def scrub(text: str) -> str:
    """Without what may be somebody's."""
    for pattern, instead in _OUT:
        text = pattern.sub(instead, text)
    return text[:LONGEST]


class Reporter(logging.Handler):
    """Takes errors from the log, and what browsers report; sends them from a thread of its own."""

    def __init__(self, dsn: Secret) -> None:
        super().__init__(logging.ERROR)
        self._dsn = dsn
        self._limits = Limits()
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        """In any thread; never waits, never raises."""
        if record.name == "site2crm.sentry" or record.name.startswith(("sentry_sdk", "urllib3")):
            return
        fields = log.fields_of(record)
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        self._take(
            {
                "level": "error",
                "logger": record.name,
                "message": scrub(log.event_of(record)),
                "tags": _tags(fields),
                "exc_info": record.exc_info,
            },
            kind=f"{record.getMessage()[:80]} {kind}",
        )

    def browser(self, message: str, *, stack: str, where: str, page: str) -> None:
        """An error of one of our pages, all parts scrubbed already."""
        text = f"{message}\n{stack}".strip()
        tags = {"page": page, "where": where}
        self._take({"level": "error", "logger": "browser", "message": text, "tags": tags}, kind=message[:80])

    def close(self) -> None:
        """Send what is left, for a moment."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._put(None)
            thread.join(LAST_S)
        super().close()

    def _take(self, event: dict[str, Any], *, kind: str) -> None:
        with self._lock:
            is_few = self._limits.take(kind, limit=OF_ONE_KIND, per_s=60).allowed
            if not is_few or not self._limits.take("", limit=A_MINUTE, per_s=60).allowed:
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._send, name="sentry", daemon=True)
                self._thread.start()
        self._put(event)

    def _put(self, event: dict[str, Any] | None) -> None:
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            _log.warning("sentry.behind")

    def _send(self) -> None:
        """The thread. Whatever fails here fails alone: the log has the error."""
        try:
            sdk = heavy.sentry()
            client = _client(sdk, self._dsn)
        except Exception as error:  # noqa: BLE001 - a wrong address must not end the server
            _log.warning("sentry.unusable", error=type(error).__name__)
            return
        while (event := self._queue.get()) is not None:
            try:
                client.capture_event(_built(sdk, client, event))
            except Exception as error:  # noqa: BLE001 - the next one may pass
                _log.warning("sentry.not_sent", error=type(error).__name__)
        client.close(timeout=LAST_S)


_reporter: Reporter | None = None


def start(dsn: Secret) -> None:
    """From now on; call it after `log.setup`."""
    global _reporter
    stop()
    if dsn:
        _reporter = Reporter(dsn)
        logging.getLogger().addHandler(_reporter)


def stop() -> None:
    global _reporter
    if _reporter is not None:
        logging.getLogger().removeHandler(_reporter)
        _reporter.close()
        _reporter = None


def browser(message: str, *, stack: str, where: str, page: str) -> None:
    if _reporter is not None:
        _reporter.browser(message, stack=stack, where=where, page=page)


def _tags(fields: Mapping[str, object]) -> dict[str, str]:
    return {key: str(value)[:200] for key, value in fields.items() if key in TAGS}


def _client(sdk: Any, dsn: Secret) -> Any:
    return sdk.Client(
        dsn.reveal(),
        release=__version__,
        default_integrations=False,
        auto_enabling_integrations=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        send_client_reports=False,
        auto_session_tracking=False,
        server_name="",
        before_send=_allowed,
    )


def _built(sdk: Any, client: Any, given: dict[str, Any]) -> dict[str, Any]:
    event: dict[str, Any] = {}
    if given.get("exc_info"):
        event, _ = sdk.utils.event_from_exception(given["exc_info"], client_options=client.options)
    message = {"formatted": given["message"]}
    return {**event, "level": given["level"], "logger": given["logger"], "logentry": message, "tags": given["tags"]}


def _allowed(event: dict[str, Any], _hint: object) -> dict[str, Any]:
    """The last look: only these fields leave, texts scrubbed."""
    for value in event.get("exception", {}).get("values", ()):
        value["value"] = scrub(str(value.get("value", "")))
        for frame in value.get("stacktrace", {}).get("frames", ()):
            frame.pop("vars", None)
    return {key: value for key, value in event.items() if key in SENT}
