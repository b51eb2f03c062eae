"""What happens to links."""

from site2crm.core.events import Event


class LinkCreated(Event, frozen=True, kw_only=True):
    link_id: str


class LinkChanged(Event, frozen=True, kw_only=True):
    link_id: str


class LinkArchived(Event, frozen=True, kw_only=True):
    link_id: str


class LinkRestored(Event, frozen=True, kw_only=True):
    link_id: str
