"""What can go wrong with links."""

from site2crm.core.errors import Conflict, FieldError, NotFound


class LinkNotFound(NotFound):
    code, title = "link_not_found", "This link does not exist"


class SlugTaken(Conflict):
    code, title = "slug_taken", "Another link has this slug"

    def __init__(self, slug: str) -> None:
        text = f"“{slug}” is taken. Choose another slug, or leave it empty to get one."
        super().__init__(text, errors=[FieldError("slug", text)])
