"""One id from the proxy through the request, its job and its submission, to the lines of the log."""

import logging

import httpx
import pytest

from site2crm.app import Instance
from site2crm.core import log
from site2crm.core.queue import enqueue
from tests import cast
from tests.cast import Person
from tests.security.world import settled, work

GIVEN = "edge-4bf92f3577b34da6"


@pytest.mark.parametrize("given", [GIVEN, "a" * 64, "1234.5678_x-y"])
async def test_a_well_formed_id_from_a_proxy_is_kept(nobody: httpx.AsyncClient, given: str) -> None:
    for path in ("/livez", "/f/nothing", "/static/nothing"):
        assert (await nobody.get(path, headers={"X-Request-Id": given})).headers["x-request-id"] == given


@pytest.mark.parametrize(
    "given", ["short", "a" * 65, "with space here", "quote\"'<script>", "-leading-dash", "ümlaut-ümlaut", ""]
)
async def test_anything_else_is_replaced(nobody: httpx.AsyncClient, given: str) -> None:
    answer = await nobody.get("/livez", headers={"X-Request-Id": given.encode()})
    assert answer.headers["x-request-id"].startswith("req_")


async def test_a_stranger_cannot_choose_one(instance: Instance) -> None:
    transport = httpx.ASGITransport(app=instance.app, client=("203.0.113.9", 50000))
    async with httpx.AsyncClient(transport=transport, base_url=cast.BASE) as stranger:
        answer = await stranger.get("/livez", headers={"X-Request-Id": GIVEN})
    assert answer.headers["x-request-id"].startswith("req_")


def noted(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, object]]:
    found = [record for record in caplog.records if getattr(record, "event", "") == event]
    return [{**record.context, **record.fields} for record in found]  # type: ignore[attr-defined]


async def test_a_job_names_the_request_that_enqueued_it(
    instance: Instance, alice: Person, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="site2crm"):
        await alice.web.post("/reset", data={"email": alice.email}, headers={"X-Request-Id": GIVEN})
        await work(instance)
    [sent] = noted(caplog, "mail.sent")
    assert sent["request_id"] == GIVEN
    assert sent["job"] == "accounts.send_reset"


async def test_a_job_outside_of_a_request_names_none(instance: Instance, caplog: pytest.LogCaptureFixture) -> None:
    async with instance.machine.session() as session:
        await enqueue(session, "no.such.job", key="x")
    with caplog.at_level(logging.INFO, logger="site2crm"):
        await work(instance)
    assert "request_id" not in str(
        [record.__dict__ for record in caplog.records if "no.such.job" in str(record.__dict__)]
    )
    assert "request_id" not in log.bound()


async def test_the_log_tells_which_request_became_which_submission_and_delivery(
    instance: Instance, alice: Person, nobody: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    form = (await alice.api.post("/api/v1/forms", json={"name": "Contact"})).json()
    await alice.api.post("/api/v1/connections", json={"kind": "inbox", "name": "Inbox"})
    with caplog.at_level(logging.INFO, logger="site2crm"):
        answer = await nobody.post(f"/f/{form['key']}", data={"email": "a@b.example"}, headers={"X-Request-Id": GIVEN})
        await settled(instance)
        await work(instance)
    submission = answer.json()["id"]
    assert [each["requests"] for each in noted(caplog, "submissions.stored")] == [f"{GIVEN}={submission}"]
    assert [each["submission"] for each in noted(caplog, "delivery.delivered")] == [submission]
