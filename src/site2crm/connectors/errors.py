"""What can go wrong with connections."""

from collections.abc import Mapping

from site2crm.core.errors import Conflict, Invalid, NotFound


class ConnectionNotFound(NotFound):
    code, title = "connection_not_found", "This connection does not exist"


class StillRefused(Conflict):
    code, title = "connection_refused", "The CRM still refuses"


class NotConnected(Invalid):
    """The first test of a new connection failed: nothing was saved.

    `secrets` are those that it was tried with, `made` those of them that we made; neither stands in the text.
    """

    secrets: Mapping[str, str] = {}
    made: Mapping[str, str] = {}
