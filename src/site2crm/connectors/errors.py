"""What can go wrong with connections."""

from site2crm.core.errors import Conflict, NotFound


class ConnectionNotFound(NotFound):
    code, title = "connection_not_found", "This connection does not exist"


class StillRefused(Conflict):
    code, title = "connection_refused", "The CRM still refuses"
