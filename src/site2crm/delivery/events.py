"""What happens to deliveries."""

from collections.abc import Mapping

from site2crm.core.events import Event

REFUSED = "delivery.refused"
"""The alarm for leads that were refused for good; its subject is the connection."""


GONE = "delivery.gone"
"""The alarm for leads that we delivered and the CRM no longer has; its subject is the connection."""


class PeopleMoved(Event, frozen=True, kw_only=True):
    """The CRM has some of the leads under other ids now, as after a merge. `ids`: old -> new."""

    connection_id: str
    ids: Mapping[str, str]


class DeliveriesSettled(Event, frozen=True, kw_only=True):
    """Something came of tries at this connection; told at most once a second while many go out."""

    connection_id: str
