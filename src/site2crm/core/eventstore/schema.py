"""The wide tables, and how they are laid out for scans.

Nearly every question is about people, so what machines did lies apart: a filter that lets most rows pass, here and
there one not, costs half of a scan.

What questions filter by most (org, kind, reason, link) is a number with its text in `name`: constant stretches cost
nothing. The other texts stay texts: DuckDB keeps a dictionary of them per row group, and groups by its numbers; a
dictionary of our own would grow with every junk parameter that a stranger sends. A visitor is its 64-bit number,
`slot` the quarter of an hour since 1970: every zone's days begin with one.

`sample` has the rows of one visitor in sixteen again, for counting different visitors of millions of events.
"""

from site2crm.core.eventstore.contract import DIMENSIONS

SLOT_S = 900

SAMPLE_SHARE = 16
SAMPLED_BELOW = (1 << 64) // SAMPLE_SHARE
"""A visitor's number is a hash, so the lowest are a fair sample."""

PERSON = 0
"""The number of the empty reason: a person's event."""

NUMBERED = {"org": "UINTEGER", "kind": "UTINYINT", "bot": "UTINYINT", "link": "UINTEGER"}
TEXTS = (
    "id", "domain", "form", "campaign", "variant", "country", "region", "city", "device", "os", "browser",
    "language", "referrer", "path", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content",
    "currency", "qr",
)  # fmt: skip
COLUMNS: dict[str, str] = {
    "ts": "TIMESTAMP",
    "slot": "UINTEGER",
    **NUMBERED,
    "visitor": "UBIGINT",
    "value": "BIGINT",
    **dict.fromkeys(TEXTS, "VARCHAR"),
}

_COLUMNS = ", ".join(f"{name} {kind} NOT NULL" for name, kind in COLUMNS.items())
PARTS = {
    "people": f"bot = {PERSON}",
    "machines": f"bot <> {PERSON}",
    "sample": f"visitor BETWEEN 1 AND {SAMPLED_BELOW - 1}",
}
"""Table -> which rows it has."""
STATEMENTS = (
    *(f"CREATE TABLE IF NOT EXISTS {part} ({_COLUMNS})" for part in PARTS),
    "CREATE VIEW IF NOT EXISTS events AS SELECT * FROM people UNION ALL SELECT * FROM machines",
    "CREATE TABLE IF NOT EXISTS name (col VARCHAR NOT NULL, code UINTEGER NOT NULL, txt VARCHAR NOT NULL)",
    "CREATE TABLE IF NOT EXISTS position "
    '(consumer VARCHAR NOT NULL, epoch VARCHAR NOT NULL, segment BIGINT NOT NULL, "offset" BIGINT NOT NULL)',
)

UNDIVIDED = "event"
"""The one table that there was before people and machines were kept apart; what it has is moved when it is found."""
_MOVED = "INSERT INTO {part} SELECT {columns} FROM {table} WHERE {condition}"
UPGRADE = (
    *(
        _MOVED.format(part=part, columns=", ".join(COLUMNS), table=UNDIVIDED, condition=PARTS[part])
        for part in ("people", "machines")
    ),
    f"DROP TABLE {UNDIVIDED}",
)

assert set(DIMENSIONS) <= set(COLUMNS)
