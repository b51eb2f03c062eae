"""What the pages need to know about Nutshell before there is a connection."""

from site2crm.connectors.kinds import ConnectorKind, SettingField
from site2crm.connectors.nutshell.access import HOSTS, LIMIT
from site2crm.connectors.nutshell.connector import Nutshell
from site2crm.connectors.nutshell.hooks import NutshellHooks
from site2crm.connectors.nutshell.properties import COMPANY, EMAIL, FIRST, LAST, NOTE, PHONE
from site2crm.connectors.nutshell.sales import NutshellSales

NUTSHELL = ConnectorKind(
    name="nutshell",
    label="Nutshell",
    caps=Nutshell.caps,
    settings=(
        SettingField(
            name="email",
            label="E-mail of a Nutshell user",
            kind="text",
            help="What this person signs in to Nutshell with. What we write is logged there under this name.",
            placeholder="ada@client.example",
        ),
        SettingField(
            name="api_key",
            label="API key",
            kind="secret",
            help="In Nutshell: Setup, API keys, Add API key, with the permission “API access”.",
        ),
        SettingField(
            name="call_types",
            label="Activity types that are calls",
            kind="text",
            required=False,
            help="Their names in Nutshell, with commas between. Empty: those whose name has “call” or “phone” in it.",
            placeholder="Phone Call, Cold call",
        ),
        SettingField(
            name="meeting_types",
            label="Activity types that are meetings",
            kind="text",
            required=False,
            help="As above. Empty: those whose name has “meeting”, “visit” or “demo” in it.",
            placeholder="Meeting, Demo",
        ),
    ),
    default_mapping={
        "email": EMAIL,
        "first_name": FIRST,
        "last_name": LAST,
        "phone": PHONE,
        "company": COMPANY,
        "message": NOTE,
    },
    opens=Nutshell,
    sales=NutshellSales,
    hooks=NutshellHooks,
    rights=("API access",),
    help_slug="nutshell",
    hosts=HOSTS,
    limit=LIMIT,
    cures=(
        (
            "lacks the permission",
            "In Nutshell, open Setup, API keys, give the key the permission “API access”, then test again.",
        ),
        ("allow_private", "The operator of this instance has to allow the address, or remove the base_url."),
        ("stored access cannot be read", "Enter the API key again, or make a new one in Nutshell."),
        (
            "nauthorized",
            "Nutshell does not take this e-mail and key together: check the e-mail, and copy the key again from "
            "Setup, API keys.",
        ),
        ("", "Mend what Nutshell complains about there, then test again, or enter a new API key here."),
    ),
    about="Contacts, companies and notes in Nutshell; leads (deals) and activities come back.",
)
