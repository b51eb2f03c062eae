"""What can go wrong with forms."""

from site2crm.core.errors import NotFound


class FormNotFound(NotFound):
    code, title = "form_not_found", "This form does not exist"
