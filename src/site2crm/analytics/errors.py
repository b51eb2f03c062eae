"""What analytics refuses."""

from site2crm.core.errors import NotFound


class ClickNotKept(NotFound):
    code, title = "click_not_kept", "Nothing is kept of this click"

    def __init__(self) -> None:
        super().__init__(
            "Its visitor was forgotten already, it is older than clicks are kept, or it was clicked only seconds ago "
            "and is not counted yet: then ask again."
        )
