"""What the pages need to know about HubSpot before there is a connection."""

from site2crm.connectors.hubspot.auth import HOSTS, OPTIONAL_RIGHTS, HubSpotAuth
from site2crm.connectors.hubspot.connector import CAPS, RIGHTS, HubSpot
from site2crm.connectors.hubspot.hooks import HubSpotHooks
from site2crm.connectors.hubspot.portal import LIMIT
from site2crm.connectors.hubspot.sales import HubSpotSales
from site2crm.connectors.kinds import ConnectorKind, SettingField, Way, app_fields

HUBSPOT = ConnectorKind(
    name="hubspot",
    label="HubSpot",
    caps=CAPS,
    settings=(
        SettingField(
            name="token",
            label="Access token",
            kind="secret",
            help="In HubSpot: Development, Keys, Service keys, Create. Give it the rights listed here.",
            placeholder="pat-eu1-…",
            way=Way.KEY,
        ),
        *app_fields(
            id_help="In HubSpot: Development, Projects, your app, Auth.",
            secret_help="Beside the client id.",  # noqa: S106
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
    auth=HubSpotAuth,
    sales=HubSpotSales,
    app_hooks=HubSpotHooks(),
    rights=(*RIGHTS, *OPTIONAL_RIGHTS),
    help_slug="hubspot",
    hosts=HOSTS,
    limit=LIMIT,
    cures=(
        (
            "lacks the right",
            "Give the token this right in HubSpot, then test again; a new token has to be entered here.",
        ),
        ("took the sign-in back", "Sign in again here: the app was removed in HubSpot, or its access was withdrawn."),
        ("does not know this app", "Check the client id and secret of the app in HubSpot, then sign in again."),
        ("allow_private", "The operator of this instance has to allow the address, or remove the base_url."),
        ("stored access cannot be read", "Enter the token again, or make a new one in HubSpot."),
        (
            "uthentication",
            "HubSpot does not take this token: copy it again, or make a new one there, and enter it.",
        ),
        ("", "Mend what HubSpot complains about there, then test again, or enter a new token here."),
    ),
    about="Contacts in HubSpot, created or updated by their e-mail, with your custom properties.",
)
