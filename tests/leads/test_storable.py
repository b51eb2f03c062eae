"""Whatever a form is sent becomes a lead: no database may refuse what the intake has acknowledged."""

import asyncio
import json

import httpx
import pytest

from site2crm.app import Instance
from tests.cast import Person

LONG = "x" * 20_000
WIDE = "字" * 9_000

BODIES = {
    "zero bytes": {"email": "a@example.com", "message": "be\x00fore", "na\x00me": "\x00", "company": "A\x00B"},
    "half characters": {"email": "b@example.com", "message": "\ud800 and \udfff", "\udc00": "x"},
    "one long word": {"email": "c@example.com", "message": LONG, "custom": LONG},
    "one wide word": {"email": "d@example.com", "message": WIDE, "company": "ﷺ" * 2_000},
    "a long phone": {"email": "e@example.com", "phone": "1" * 5_000},
    "long parameters": {"email": "f@example.com", "utm_source": LONG, "referrer": "https://x.example/" + LONG},
    "many answers": {"email": "g@example.com", **{f"question {n}": f"{n} {LONG[:2_000]}" for n in range(100)}},
    "quotes and signs": {"email": "h@example.com", "message": "'; DROP TABLE lead; -- \\ :x %s {} ' & | !:*"},
    "only a name": {"name": "\x00" * 10 + "Ada"},
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_what_is_acknowledged_becomes_a_lead(
    instance: Instance, alice: Person, nobody: httpx.AsyncClient, body: dict[str, str]
) -> None:
    form = (await alice.api.post("/api/v1/forms", json={"name": "Contact"})).json()
    answer = await nobody.post(
        f"/f/{form['key']}", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 201, answer.text
    async with asyncio.timeout(20):
        while instance.machine.journal.stats().submissions.lag_records:
            await asyncio.sleep(0.02)
    found = (await alice.api.get("/api/v1/leads", params={"status": "all"})).json()["data"]
    assert len(found) == 1
