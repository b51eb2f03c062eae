"""What the pages need to know about HubSpot before there is a connection."""

from site2crm.connectors.contract import Caps, ConnectorKind, SettingField
from site2crm.connectors.hubspot.connector import HOSTS, RIGHTS, HubSpot

HUBSPOT = ConnectorKind(
    name="hubspot",
    label="HubSpot",
    caps=Caps(static_key=True),
    settings=(
        SettingField(
            name="token",
            label="Access token",
            kind="secret",
            help="In HubSpot: Development, Keys, Service keys, Create. Give it the rights listed here.",
            placeholder="pat-eu1-…",
        ),
    ),
    default_mapping={
        "email": "email",
        "first_name": "firstname",
        "last_name": "lastname",
        "phone": "phone",
        "company": "company",
        "message": "message",
    },
    opens=HubSpot,
    rights=RIGHTS,
    help_slug="hubspot",
    hosts=HOSTS,
)
