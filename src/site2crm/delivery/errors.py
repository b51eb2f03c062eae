"""What can go wrong with deliveries when a person acts on them."""

from site2crm.core.errors import Conflict, NotFound


class DeliveryNotFound(NotFound):
    code, title = "delivery_not_found", "This delivery does not exist"


class NotNow(Conflict):
    """Its state does not allow this."""

    code, title = "delivery_state", "This delivery cannot be changed now"
