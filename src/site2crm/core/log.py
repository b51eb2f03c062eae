"""Events with fields, one a line: JSON, or short text on a terminal.

    log = get("delivery")
    log.info("delivery.failed", delivery=row.id, error=reason)

Standard library underneath, so that what libraries log comes out in the same form. Values come from
strangers: line breaks and terminal codes in them are written as escapes, and a Secret is `***`.
"""

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

from site2crm.core import meter
from site2crm.core.config_schema import Log as LogSettings
from site2crm.core.config_types import LogFormat
from site2crm.core.meter import Trouble

_LONGEST = 4000
_PRIVATE = frozenset({"password", "secret", "token", "authorization", "cookie", "api_key"})
# Controls, line separators, and the marks that turn the direction of text
_ACTIVE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_PLAIN = re.compile(r"[^\s\"'=\\]+")

_bound: ContextVar[Mapping[str, object]] = ContextVar("log_fields", default={})  # noqa: B039 - never changed in place


class Log:
    """A named source of events."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(f"site2crm.{name}")

    def debug(self, event: str, /, **fields: object) -> None:
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        self._write(logging.ERROR, event, fields)

    def exception(self, event: str, /, **fields: object) -> None:
        """An error with the traceback of the exception being handled."""
        self._write(logging.ERROR, event, fields, traceback=sys.exc_info()[0] is not None)

    def _write(self, level: int, event: str, fields: Mapping[str, object], *, traceback: bool = False) -> None:
        if self._logger.isEnabledFor(level):
            extra = {"event": event, "fields": fields, "context": _bound.get()}
            self._logger.log(level, event, exc_info=traceback, extra=extra)


def get(name: str) -> Log:
    return Log(name)


def bind(**fields: object) -> None:
    """Every later event of this task carries these: request_id, org, job."""
    _bound.set({**_bound.get(), **fields})


@contextmanager
def scope(**fields: object) -> Iterator[None]:
    """Every event inside carries these."""
    before = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(before)


def bound() -> Mapping[str, object]:
    """What is bound here, to hand it on to a job."""
    return _bound.get()


def setup(settings: LogSettings, *, stream: TextIO | None = None) -> None:
    """Send all logging, libraries' included, to one stream (stderr) in one form."""
    stream = stream or sys.stderr
    is_text = settings.format is LogFormat.TEXT or (settings.format is LogFormat.AUTO and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_TextLines() if is_text else _JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler, counting()]
    root.setLevel(logging.WARNING)  # libraries speak up only when something is wrong
    logging.getLogger("site2crm").setLevel(settings.level.value.upper())
    logging.captureWarnings(capture=True)


def inert(text: str) -> str:
    """The text with every control character written as an escape."""
    return _ACTIVE.sub(lambda match: _escape(ord(match.group())), text)


def counting() -> logging.Handler:
    """Counts warnings and errors, and remembers the last errors."""
    return _Counting()


class _Counting(logging.Handler):
    """Counts warnings and errors for `/metrics`, and remembers the last errors for the page of the administrator."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        meter.counted[record.levelname.lower()] += 1
        if record.levelno >= logging.ERROR:
            error = record.exc_info[0] if record.exc_info else None
            at = datetime.fromtimestamp(record.created, UTC)
            request_id = str(fields_of(record).get("request_id", ""))
            meter.troubles.append(Trouble(at, event_of(record), error.__name__ if error else "", request_id))


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {"ts": moment, "level": record.levelname.lower(), "log": _name(record)}
        line["event"] = event_of(record)
        for key, value in fields_of(record).items():
            line.setdefault(key, value if isinstance(value, bool | int | float | None) else _text(value))
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line)  # ASCII only: every control character and direction mark is an escape


class _TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        clock = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        fields = " ".join(f"{key}={_quoted(_text(value))}" for key, value in fields_of(record).items())
        line = inert(f"{clock} {record.levelname:<7} {event_of(record)} {fields}".rstrip())
        if not record.exc_info:
            return line
        trace = self.formatException(record.exc_info).splitlines()
        return "\n".join([line, *(f"    {inert(each)}" for each in trace)])


def event_of(record: logging.LogRecord) -> str:
    """The name of the event; of a library's line its text."""
    return str(getattr(record, "event", None) or record.getMessage())[:_LONGEST]


def _name(record: logging.LogRecord) -> str:
    return record.name.removeprefix("site2crm.")


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """What was bound and what was given, secrets masked by their names."""
    context = getattr(record, "context", None)
    fields = {**(_bound.get() if context is None else context), **getattr(record, "fields", {})}
    return {key: "***" if key in _PRIVATE else value for key, value in fields.items()}


def _text(value: object) -> str:
    if isinstance(value, BaseException):
        value = f"{type(value).__name__}: {value}"
    elif isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
