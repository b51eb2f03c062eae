"""Many leads straight into the database file, for measuring lists: posting them would measure something else."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from site2crm.core import sqlite
from site2crm.kit import ids
from site2crm.leads import search
from site2crm.leads.folding import LeadRow

CITIES = ("Berlin", "Boston", "Bogota", "Bergen", "Austin", "Athens", "Accra", "Lisbon", "London", "Lima")
FIRST = ("Ada", "Alan", "Grace", "Linus", "Barbara", "Edsger", "Donald", "Margaret", "Ken", "Radia")
BATCH = 5_000


def insert(path: Path, *, form_id: str, leads: int) -> None:
    """`leads` people of the form's org, the newest last."""
    records = sqlite.connect(f"file:{path}", timeout_s=10)
    (org_id,) = records.execute("SELECT org_id FROM form WHERE id = ?", (form_id,)).fetchone()
    columns = [field.name for field in msgspec.structs.fields(LeadRow)]
    put = f"INSERT INTO lead ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    index = "INSERT INTO lead_search (org_id, lead_id, words) VALUES (?, ?, ?)"
    waiting: list[LeadRow] = []
    for row in _people(org_id, form_id, leads):
        waiting.append(row)
        if len(waiting) == BATCH:
            _write(records, put, index, waiting)
            waiting = []
    _write(records, put, index, waiting)
    records.close()


def _write(records: Any, put: str, index: str, rows: list[LeadRow]) -> None:
    records.executemany(put, [[_plain(value) for value in msgspec.structs.astuple(row)] for row in rows])
    records.executemany(index, [(row.org_id, row.id, search.words(row, [row.form_id])) for row in rows])
    records.commit()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else value


def _people(org_id: str, form_id: str, leads: int) -> Iterator[LeadRow]:
    chance = random.Random(7)
    start = datetime.now(UTC) - timedelta(seconds=leads * 30)
    for number in range(leads):
        at = start + timedelta(seconds=number * 30)
        email = f"person{number}@example{number % 997}.com"
        yield LeadRow(
            id=ids.new("led"),
            org_id=org_id,
            form_id=form_id,
            status="new",
            email=email,
            email_key=email,
            phone=f"+1202{number:07d}",
            phone_key=f"+1202{number:07d}",
            first_name=chance.choice(FIRST),
            last_name=f"Sample{number}",
            company=f"Company {number % 5000}",
            message=f"Please call me back about the annual plan, office {chance.choice(CITIES)}.",
            custom={"City": chance.choice(CITIES), "Budget": str(number % 100 * 1000)},
            consent={},
            attribution={"first": {"utm_source": "google"}, "last": {"utm_source": "google"}},
            submissions=1,
            created_at=at,
            last_at=at,
            updated_at=at,
        )
