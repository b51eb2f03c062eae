"""What the pages need to know about Zoho CRM before there is a connection."""

from site2crm.connectors.kinds import ConnectorKind, SettingField, app_fields
from site2crm.connectors.zoho.auth import RIGHTS, ZohoAuth
from site2crm.connectors.zoho.centres import CENTRES, HOSTS
from site2crm.connectors.zoho.client import LIMIT
from site2crm.connectors.zoho.connector import CAPS, Zoho
from site2crm.connectors.zoho.hooks import ZohoHooks
from site2crm.connectors.zoho.properties import CONTACTS, LEADS, NOTE
from site2crm.connectors.zoho.sales import ZohoSales

ZOHO = ConnectorKind(
    name="zoho",
    label="Zoho CRM",
    short="Zoho",
    caps=CAPS,
    settings=(
        SettingField(
            name="data_centre",
            label="Data centre",
            kind="choice",
            help="The end of the address at which you use Zoho CRM tells it: crm.zoho.eu is Europe.",
            choices=tuple((name, centre.label) for name, centre in CENTRES.items()),
        ),
        *app_fields(
            id_help="In the API console of your data centre, such as api-console.zoho.eu: Server-based Application.",
            secret_help="Beside the client id; of an app for several data centres the one of yours.",  # noqa: S106
        ),
        SettingField(
            name="module",
            label="New people become",
            kind="choice",
            required=False,
            help="Leads, if your salespeople convert them; contacts, if you work without leads.",
            choices=((LEADS, "Leads"), (CONTACTS, "Contacts")),
        ),
        SettingField(
            name="existing",
            label="Who is a contact already",
            kind="choice",
            required=False,
            help="A customer who fills in a form again is updated as a contact, or becomes a lead beside it.",
            choices=(("contact", "Is updated there"), ("lead", "Becomes a lead too")),
        ),
        SettingField(
            name="automation",
            label="Workflow rules in Zoho",
            kind="choice",
            required=False,
            help="Whether your rules, such as notifications and assignments, run for what is written here.",
            choices=(("run", "Run"), ("off", "Do not run")),
        ),
    ),
    default_mapping={
        "email": "Email",
        "first_name": "First_Name",
        "last_name": "Last_Name",
        "phone": "Phone",
        "company": "Company",
        "message": NOTE,
    },
    opens=Zoho,
    fills=("Last_Name", "Company"),
    auth=ZohoAuth,
    revokes_apart=True,
    sales=ZohoSales,
    hooks=ZohoHooks,
    rights=RIGHTS,
    help_slug="zoho",
    hosts=HOSTS,
    limit=LIMIT,
    cures=(
        ("lacks", "Sign in again and allow everything that Zoho's page lists; leads wait meanwhile."),
        ("PERMISSION", "Give the user who signed in the right to read and write this module in Zoho, then test again."),
        ("data centre", "Choose the data centre of your account, then sign in again."),
        ("client secret", "Enter the client secret from Zoho's API console again, then sign in again."),
        ("no such", "Look in Zoho whether the module was renamed or is not part of your edition, then test again."),
        ("allow_private", "The operator of this instance has to allow the address, or remove the base_url."),
        ("sign", "Sign in at Zoho again: nothing is lost, the leads wait."),
        ("oauth token", "Sign in at Zoho again: nothing is lost, the leads wait."),
        ("", "Mend what Zoho complains about there, then test again, or sign in again."),
    ),
    about="Leads or contacts in Zoho CRM, with notes, deals, owners and activities, in every data centre.",
)
