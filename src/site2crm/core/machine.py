"""Everything a running instance has, in one place: handed to handlers, jobs and background work."""

import asyncio
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import folder
from site2crm.core.config import Settings
from site2crm.core.crypto import Vault
from site2crm.core.db import Database
from site2crm.core.http import Outbound
from site2crm.core.inheritance import Inheritance
from site2crm.core.journal.journal import Journal
from site2crm.core.mail import Mailer
from site2crm.core.meter import Meter
from site2crm.core.queue import Jobs
from site2crm.core.ratelimit import Limits
from site2crm.core.revisions import Revisions

Part = TypeVar("Part")


class Phase(StrEnum):
    """Where this process stands in the life of the data folder."""

    STARTING = "starting"
    STANDBY = "standby"
    """Another process serves the folder."""
    CAPTURING = "capturing"
    """That one leaves, or has left: forms and links are answered here, pages wait until the folder is taken over."""
    SERVING = "serving"
    LEAVING = "leaving"
    """Told to stop: what comes is answered still, and a standby gets what follows."""


class Machine:
    """A plain class: the framework would take a dataclass apart to validate it at every request."""

    def __init__(
        self,
        *,
        settings: Settings,
        data_dir: Path,
        database: Database,
        journal: Journal,
        inheritance: Inheritance,
        vault: Vault,
        mailer: Mailer,
        outbound: Outbound,
    ) -> None:
        self.settings = settings
        self.data_dir = data_dir
        self.database = database
        self.journal = journal
        self.inheritance = inheritance
        self.vault = vault
        self.mailer = mailer
        self.outbound = outbound
        self.limits = Limits()
        self.meter = Meter()
        self.revisions = Revisions(database)
        self.jobs: Jobs | None = None
        self.phase = Phase.STARTING
        self.trouble = ""
        """Why this process captures only, although nobody else serves the folder."""
        self.whole = asyncio.Event()
        """Everything is answered here, pages too."""
        self.parts: dict[type, Any] = {}

    @property
    def ready(self) -> bool:
        """Whether it serves the folder, and is not about to stop."""
        return self.phase is Phase.SERVING

    @cached_property
    def node(self) -> str:
        """Whose jobs and calls these are, where several share the records. For the process that serves the folder."""
        return folder.node(self.data_dir)

    def session(self) -> AbstractAsyncContextManager[AsyncSession]:
        """One transaction on the records database."""
        return self.database.session()

    def put(self, part: object) -> None:
        """Keep what a feature holds in memory (the form registry, ...), by its type."""
        self.parts[type(part)] = part

    def get(self, kind: type[Part]) -> Part:
        return cast("Part", self.parts[kind])

    def url(self, path: str) -> str:
        """An absolute address of this instance: from the configuration, never from a request's Host."""
        return self.settings.base_url + path
