"""What can be wrong with a question about deals."""

from site2crm.core.errors import Conflict, NotFound


class DealNotFound(NotFound):
    code, title = "deal_not_found", "This deal does not exist"


class NothingToRead(Conflict):
    """The CRM is paused, parked, or of a kind that has no deals."""

    code, title = "nothing_to_read", "No deals can be read there"
