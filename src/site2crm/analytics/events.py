"""What people do about figures."""

from site2crm.core.events import Event


class VisitorForgotten(Event, frozen=True, kw_only=True):
    """Somebody (`by`, a user or a key) had the events of the visitor behind this click erased. Who that was is gone."""

    click: str
    by: str
