"""How features reach the event store."""

from site2crm.core.eventstore.contract import EventStore
from site2crm.core.eventstore.duckdb import DuckStore
from site2crm.core.machine import Machine


def of(machine: Machine) -> EventStore:
    """The event store of this instance; `running.lifespan` has opened it."""
    return machine.get(DuckStore)
