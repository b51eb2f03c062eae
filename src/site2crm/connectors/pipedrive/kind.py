"""What the pages need to know about Pipedrive before there is a connection."""

from site2crm.connectors.kinds import ConnectorKind, SettingField, Way, app_fields
from site2crm.connectors.pipedrive.auth import PipedriveAuth, read_withdrawal
from site2crm.connectors.pipedrive.capabilities import CAPS
from site2crm.connectors.pipedrive.client import HOSTS, LIMIT
from site2crm.connectors.pipedrive.connector import Pipedrive
from site2crm.connectors.pipedrive.hooks import PipedriveHooks
from site2crm.connectors.pipedrive.sales import PipedriveSales

PIPEDRIVE = ConnectorKind(
    name="pipedrive",
    label="Pipedrive",
    caps=CAPS,
    settings=(
        SettingField(
            name="token",
            label="API token",
            kind="secret",
            help="In Pipedrive: your picture, Personal preferences, API. Best of a user with admin rights.",
            placeholder="40 letters and digits",
            way=Way.KEY,
        ),
        SettingField(
            name="company",
            label="Company domain",
            kind="text",
            required=False,
            help="The first part of your Pipedrive address: acme, if it is acme.pipedrive.com. Empty: we ask.",
            placeholder="acme",
            way=Way.KEY,
        ),
        *app_fields(
            id_help="In Pipedrive's Developer Hub: your app, OAuth & access scopes.",
            secret_help="Beside the client id.",  # noqa: S106
        ),
        SettingField(
            name="call_types",
            label="Activity types that are calls",
            kind="text",
            required=False,
            help="Keys of your activity types, separated by commas. Empty: call.",
            placeholder="call",
        ),
        SettingField(
            name="meeting_types",
            label="Activity types that are meetings",
            kind="text",
            required=False,
            help="Keys of your activity types, separated by commas. Empty: meeting.",
            placeholder="meeting, lunch",
        ),
    ),
    default_mapping={
        "email": "email",
        "first_name": "first_name",
        "last_name": "last_name",
        "phone": "phone",
        "company": "company",
        "message": "message",
    },
    opens=Pipedrive,
    auth=PipedriveAuth,
    sales=PipedriveSales,
    hooks=PipedriveHooks,
    reads_withdrawal=read_withdrawal,
    help_slug="pipedrive",
    hosts=HOSTS,
    limit=LIMIT,
    cures=(
        ("lacks the right", "Tick this scope at the app in Pipedrive's Developer Hub, then sign in again."),
        ("unauthorized", "Pipedrive does not take this access: copy the API token again, or sign in again."),
        ("authorization header", "Pipedrive does not take this access: copy the API token again, or sign in again."),
        ("belongs to", "Enter the domain of the token's company, or a token of the company that you want."),
        ("ended this sign-in", "Sign in at Pipedrive again."),
        ("cannot be renewed", "Sign in at Pipedrive again."),
        ("does not accept the app", "Correct the app's client id and secret, then sign in again."),
        ("limit reached", "Make room in Pipedrive or take a larger plan there, then test again."),
        ("not a host of this CRM", "Connect it again: the address that it was connected with is not Pipedrive's."),
        ("allow_private", "The operator of this instance has to allow the address, or remove the base_url."),
        ("stored access cannot be read", "Enter the API token again, or sign in again."),
        ("", "Mend what Pipedrive complains about there, then test again, or connect it anew."),
    ),
    about="Persons in Pipedrive, found by their e-mail, with organization, note and your own fields; deals and calls.",
)
