"""How features reach the event store."""

from site2crm.core.eventstore.contract import EventStore
from site2crm.core.machine import Machine


class Chosen:
    """In the machine, by its type: the store that `[events] url` names."""

    def __init__(self, store: EventStore) -> None:
        self.store = store


def of(machine: Machine) -> EventStore:
    """The event store of this instance; `running.lifespan` has opened it."""
    return machine.get(Chosen).store


def is_away(machine: Machine) -> bool:
    """Whether clicks can be neither counted nor asked for; a standby has no store."""
    return Chosen in machine.parts and of(machine).is_away
