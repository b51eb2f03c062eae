"""Errors reach Sentry with their place in the code, and without anything about anybody."""

import json
import logging
from collections.abc import Iterator

import httpx
import pytest

from site2crm.core import log, reporting
from site2crm.core.config import Secret
from tests.services import Sentry

EMAIL, TOKEN, NAME, PHONE = "ada@example.com", "pat-na1-4e7ba1c2-9b3d-4f11", "Ada Lovelace", "+1 202 555 0143"
PASSWORD = "correct " + "horse"  # the source of a frame is sent, and may name it
PRIVATE = (EMAIL, TOKEN, NAME, PHONE, PASSWORD)
_events = log.get("test")


@pytest.fixture
def sentry() -> Iterator[Sentry]:
    found = Sentry()
    reporting.start(found.dsn)
    yield found
    reporting.stop()
    found.stop()


def fail(words: str, body: str) -> None:
    password = PASSWORD
    assert password
    assert body
    raise ValueError(words)


def test_an_error_is_told_with_its_place_and_nothing_of_its_data(sentry: Sentry) -> None:
    with log.scope(request_id="req_0123456789abcdef"):
        try:
            fail(f"cannot read '{NAME}' <{EMAIL}> {TOKEN} {PHONE}", body=f"email={EMAIL}")
        except ValueError:
            _events.exception("form.failed", body=NAME, password=PASSWORD, delivery="dlv_1", path=f"/reset/{TOKEN}")
    [event] = sentry.events(1)
    text = json.dumps(event)
    assert [word for word in PRIVATE if word in text] == []
    [value] = event["exception"]["values"]
    assert value["type"] == "ValueError"
    assert value["value"].startswith("cannot read '...'")
    assert value["stacktrace"]["frames"][-1]["function"] == "fail"
    assert event["tags"] == {"request_id": "req_0123456789abcdef", "delivery": "dlv_1"}
    assert set(event) <= reporting.SENT


def test_warnings_stay_here(sentry: Sentry) -> None:
    _events.warning("only.a.warning")
    _events.error("an.error")
    assert [event["logentry"]["formatted"] for event in sentry.events(1)] == ["an.error"]


def test_a_storm_of_errors_is_capped(sentry: Sentry) -> None:
    for _ in range(50):
        _events.error("the.same")
    for number in range(50):
        _events.error(f"other.{number}")
    reporting.stop()
    assert len(sentry.events(0)) == reporting.A_MINUTE
    assert sum(event["logentry"]["formatted"] == "the.same" for event in sentry.events(0)) == reporting.OF_ONE_KIND


def test_a_sentry_that_is_not_there_costs_nothing() -> None:
    reporting.start(Secret("http://public@127.0.0.1:9/1"))
    _events.error("it.fails")
    reporting.stop()
    assert not any(isinstance(handler, reporting.Reporter) for handler in logging.getLogger().handlers)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("(sqlite3.IntegrityError) UNIQUE failed: lead.email\n[SQL: INSERT INTO lead VALUES (?)]\n[parameters: ('Ada',)]",
         "(sqlite3.IntegrityError) UNIQUE failed: lead.email\n[SQL: INSERT INTO lead VALUES (?)]\n[parameters: ...]"),
        ("KeyError: 'Ada'", "KeyError: '...'"),
        ("list index out of range", "list index out of range"),
        ("https://crm.example/v3?token=abc failed", "https://crm.example/v3... failed"),
        ("s2c_live_0123456789_abcdefghijklmnopqrstuvwxyz", "..."),
    ],
)  # fmt: skip
def test_texts_are_scrubbed(text: str, left: str) -> None:
    assert reporting.scrub(text) == left


OURS = {"Sec-Fetch-Site": "same-origin"}
REPORT = {
    "message": f"cannot read {EMAIL}", "source": "http://127.0.0.1:8080/static/abc/js/app.js", "line": 3, "column": 7,
    "stack": f"at x ({TOKEN})", "page": "/reset/a-secret-token",
}  # fmt: skip


async def test_a_browsers_error_is_logged_and_forwarded_scrubbed(
    nobody: httpx.AsyncClient, sentry: Sentry, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await nobody.post("/t/error", json=REPORT, headers=OURS)).status_code == 204
    [noted] = [record for record in caplog.records if getattr(record, "event", "") == "browser.error"]
    assert (noted.fields["page"], noted.fields["where"]) == ("/reset/...", "/static/abc/js/app.js:3:7")  # type: ignore[attr-defined]
    reporting.stop()
    [event] = sentry.events(1)
    for text in (json.dumps(event), str(noted.__dict__)):
        assert not [word for word in (EMAIL, TOKEN, "a-secret-token") if word in text]
    assert event["tags"]["page"] == "/reset/..."


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}])
async def test_other_websites_cannot_report(nobody: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await nobody.post("/t/error", json=REPORT, headers=headers)).status_code == 403


async def test_a_flood_is_answered_and_not_written(nobody: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    answers = [(await nobody.post("/t/error", json=REPORT, headers=OURS)).status_code for _ in range(20)]
    assert set(answers) == {204}
    assert sum(getattr(record, "event", "") == "browser.error" for record in caplog.records) == 5


async def test_what_is_no_report_is_refused(nobody: httpx.AsyncClient) -> None:
    assert (await nobody.post("/t/error", json={"message": "x" * 9_000}, headers=OURS)).status_code == 413
    assert (
        await nobody.post("/t/error", content=b"[[[", headers={**OURS, "Content-Type": "application/json"})
    ).status_code == 400
    assert (await nobody.post("/t/error", json={"message": 5}, headers=OURS)).status_code in {400, 422}
