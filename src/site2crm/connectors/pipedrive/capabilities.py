"""What a connection to Pipedrive can do. E-mails are not among it: there is no list of them by owner."""

from datetime import timedelta

from site2crm.connectors.contract import Act, Caps

CAPS = Caps(
    oauth=True,
    static_key=True,
    hooks="api",
    hook_max_age=timedelta(days=1),  # Pipedrive removes one that failed for three days: looked after every day
    deals=True,
    add_deals=True,
    activities=frozenset({Act.CALL, Act.MEETING}),
)
