"""Many links straight into the database file, of the first org there is."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from site2crm.core import sqlite
from site2crm.kit import ids
from site2crm.links import search

COLUMNS = (
    "id", "org_id", "domain", "slug", "slug_key", "url", "title", "tags", "campaign", "utm", "carry_click", "revision",
    "created_at", "updated_at",
)  # fmt: skip
FREQUENT = ("autumn", "banner", "coupon", "dealer", "event")
OFTEN = 0.3
"""Of each of these words independently: one link in four hundred has all five."""


def insert(path: Path, *, links: int) -> None:
    """`links` short links, the newest last."""
    records = sqlite.connect(f"file:{path}", timeout_s=10)
    (org_id,) = records.execute("SELECT id FROM org LIMIT 1").fetchone()
    start = datetime.now(UTC) - timedelta(seconds=links)
    rows, words, chance = [], [], random.Random(3)
    for number in range(links):
        slug, url = f"many-{number}", f"https://www.client{number % 700}.example/landing/{number}"
        frequent = " ".join(word for word in FREQUENT if chance.random() < OFTEN)
        title, tags, campaign = f"Campaign {number % 997} {frequent}", ["spring", "print"], f"c{number % 50}"
        at = (start + timedelta(seconds=number)).strftime("%Y-%m-%d %H:%M:%S.%f")
        link_id, label = ids.new("lnk"), msgspec.json.encode(tags).decode()
        rows.append((link_id, org_id, "", slug, slug, url, title, label, campaign, "{}", "auto", 1, at, at))
        found_by = search.words(org_id, slug=slug, url=url, title=title, tags=tags, campaign=campaign)
        words.append((org_id, link_id, found_by))
    records.executemany(f"INSERT INTO link ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})", rows)
    records.executemany("INSERT INTO link_search (org_id, link_id, words) VALUES (?, ?, ?)", words)
    records.commit()
    records.close()
