"""Log lines: form, context, and values that strangers sent."""

import io
import json
import logging

import pytest

from site2crm.core import config, log
from site2crm.core.config import Secret


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def logged():
    """Set up logging to memory; answers a function that sets it up and one that reads the lines."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level

    def start(stream=None, **flags):
        stream = stream or io.StringIO()
        settings = config.load(None, env={}, flags={f"log.{key}": value for key, value in flags.items()})
        log.setup(settings.log, stream=stream)
        return stream

    yield start
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_line_with_its_fields(logged):
    stream = logged()
    log.get("delivery").info("delivery.failed", delivery="dlv_1", attempts=3, error=None)
    (line,) = lines(stream)
    assert line["ts"].endswith("+00:00")
    del line["ts"]
    assert line == {
        "level": "info", "log": "delivery", "event": "delivery.failed", "delivery": "dlv_1", "attempts": 3, "error": None
    }  # fmt: skip


def test_a_terminal_gets_short_text(logged):
    stream = logged(Terminal())
    log.get("delivery").warning("delivery.failed", delivery="dlv_1", error="two words")
    assert stream.getvalue().endswith('WARNING delivery.failed delivery=dlv_1 error="two words"\n')


def test_what_is_bound_is_on_every_line_inside(logged):
    stream = logged()
    events = log.get("http")
    with log.scope(request_id="r1"), log.scope(org="acme"):
        events.info("inside")
    events.info("outside")
    inside, outside = lines(stream)
    assert (inside["request_id"], inside["org"]) == ("r1", "acme")
    assert "request_id" not in outside


@pytest.mark.parametrize("form", ["json", "text"])
def test_line_breaks_and_terminal_codes_from_outside_are_inert(form, logged):
    stream = logged(format=form)
    evil = "a\r\nFAKE line\x1b[31mred\x9b0m\u2028\u202eback\x00\ud800"
    log.get("http").info("seen", path=evil, nested={"k": [evil]}, raw=evil.encode("utf-8", "replace"))
    logging.getLogger("some.library").warning("got %s", evil)
    text = stream.getvalue()
    assert text.count("\n") == 2
    assert not set(text) & set("\r\x1b\x9b\u2028\u202e\x00\ud800")


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_secret_is_never_printed(form, logged):
    stream = logged(format=form)
    secret = Secret("hunter2")
    log.get("auth").info("tried", value=secret, nested={"deep": [secret]}, password="hunter2", note=f"{secret}")
    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("***") == 4


def test_an_exception_keeps_its_traceback_on_one_json_line(logged):
    stream = logged()
    try:
        raise ValueError("bad\nvalue")
    except ValueError as error:
        log.get("jobs").exception("job.failed", error=error)
    (line,) = lines(stream)
    assert line["error"] == "ValueError: bad\nvalue"
    assert "test_log.py" in line["trace"]


def test_what_is_below_the_level_is_not_logged(logged):
    stream = logged(level="error")
    log.get("http").info("quiet")
    log.get("http").error("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_a_huge_value_is_cut(logged):
    stream = logged()
    log.get("http").info("big", body="x" * 100_000)
    assert len(stream.getvalue()) < 5000


def test_a_field_cannot_replace_the_event_or_the_level(logged):
    stream = logged()
    log.get("http").info("real", event="fake", level="fake", fields="ok")
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["fields"]) == ("real", "info", "ok")
