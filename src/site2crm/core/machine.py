"""Everything a running instance has, in one place: handed to handlers, jobs and background work."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core.config import Settings
from site2crm.core.crypto import Vault
from site2crm.core.db import Database
from site2crm.core.http import Outbound
from site2crm.core.journal.journal import Journal
from site2crm.core.mail import Mailer
from site2crm.core.queue import Jobs
from site2crm.core.ratelimit import Limits
from site2crm.core.revisions import Revisions

Part = TypeVar("Part")


@dataclass
class Machine:
    settings: Settings
    data_dir: Path
    database: Database
    journal: Journal
    vault: Vault
    mailer: Mailer
    outbound: Outbound
    limits: Limits
    revisions: Revisions
    jobs: Jobs | None = None
    parts: dict[type, Any] = field(default_factory=dict)
    """What features keep in memory (the form registry, ...), by its type."""
    ready: bool = False

    def session(self) -> AbstractAsyncContextManager[AsyncSession]:
        """One transaction on the records database."""
        return self.database.session()

    def put(self, part: object) -> None:
        self.parts[type(part)] = part

    def get(self, kind: type[Part]) -> Part:
        return cast("Part", self.parts[kind])

    def url(self, path: str) -> str:
        """An absolute address of this instance: from the configuration, never from a request's Host."""
        return self.settings.base_url + path
