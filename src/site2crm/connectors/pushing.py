"""A CRM that sends us its records, instead of being asked for them: what it gives, and how a kind reads it.

Kinds whose `Caps.pushes` is set have `ConnectorKind.reads_push`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from site2crm.connectors.sales import Activity, Deal, Directory


class Push(NamedTuple):
    """One message as it came. `headers` have lower-case names, `secrets` are the connection's."""

    headers: Mapping[str, str]
    body: bytes
    secrets: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Push({len(self.body)} bytes)"


@dataclass(frozen=True)
class Contact:
    """A person as the CRM knows them; `lead` is our id, `email` serves where the CRM never learnt it."""

    id: str
    lead: str = ""
    email: str = ""
    url: str | None = None
    deleted: bool = False


@dataclass(frozen=True)
class Pushed:
    """`id`: the same at every repeat of the message. `directory` is all of it, or None for as it was."""

    id: str
    at: datetime
    people: Sequence[Contact] = ()
    directory: Directory | None = None
    deals: Sequence[Deal] = ()
    activities: Sequence[Activity] = ()


ReadsPush = Callable[[Push], Pushed]
"""Raises hints.BadProof before the body is parsed; core.errors.Invalid with the field that is wrong."""
