"""What happens to connections. Delivery listens: a resumed one drains, oldest lead first."""

from collections.abc import Sequence

from site2crm.connectors.pushing import Contact
from site2crm.connectors.sales import Activity, Deal, Directory
from site2crm.core.events import Event

UNKNOWN_PROPERTY = "unknown_property"
"""The alarm of a mapped property that the CRM does not take; its subject is `<connection id>:<property>`."""


MAPPING_DRIFT = "mapping_drift"
"""The alarm of a mapping that has what the CRM has no longer; its subject is the connection."""


LEFT_AT_CRM = "left_at_crm"
"""The alarm of hooks or access that the CRM did not take back; its subject is the connection."""


class ConnectionCreated(Event, frozen=True, kw_only=True):
    connection_id: str


class ConnectionParked(Event, frozen=True, kw_only=True):
    """The token is dead or a right is missing: its leads wait for a person."""

    connection_id: str
    reason: str


class ConnectionPaused(Event, frozen=True, kw_only=True):
    """A person stopped it; its leads wait."""

    connection_id: str


class ConnectionDraining(Event, frozen=True, kw_only=True):
    """A person stops it once what waits has been sent."""

    connection_id: str


class ConnectionResumed(Event, frozen=True, kw_only=True):
    connection_id: str


class AccessReplaced(Event, frozen=True, kw_only=True):
    """Another way in: what the old access had at the CRM, such as hooks, is gone."""

    connection_id: str


class ConnectionRemoved(Event, frozen=True, kw_only=True):
    """Its secrets are gone; nothing can be sent there any more."""

    connection_id: str


class SalesPushed(Event, frozen=True, kw_only=True):
    """A CRM sent its records, proven and not seen before. `directory`: all of it, or None for as it was."""

    connection_id: str
    people: Sequence[Contact]
    directory: Directory | None
    deals: Sequence[Deal]
    activities: Sequence[Activity]
