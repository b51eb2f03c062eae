"""Where the Test inbox keeps what it was sent: one row per key, later writes change it as a CRM would."""

from collections.abc import Mapping

from site2crm.connectors.models import InboxRecord
from site2crm.core.db import Database, in_org, lock
from site2crm.kit import clock, ids


class Records:
    """An `InboxStore` with transactions of its own; the connector calls it where it would call out."""

    def __init__(self, database: Database, org_id: str) -> None:
        self._database = database
        self._org_id = org_id

    async def upsert(self, connection_id: str, key: str, properties: Mapping[str, str]) -> tuple[str, bool]:
        """The record's id, and whether it is new."""
        now = clock.now()
        async with self._database.session() as session:
            await lock(session)
            same = in_org(InboxRecord, self._org_id).where(
                InboxRecord.connection_id == connection_id, InboxRecord.key == key
            )
            if (record := await session.scalar(same)) is not None:
                record.properties = {**record.properties, **properties}
                record.writes += 1
                record.updated_at = now
                return record.id, False
            record = InboxRecord(
                id=ids.new("rec"),
                org_id=self._org_id,
                connection_id=connection_id,
                key=key,
                properties=dict(properties),
                created_at=now,
                updated_at=now,
            )
            session.add(record)
            return record.id, True
