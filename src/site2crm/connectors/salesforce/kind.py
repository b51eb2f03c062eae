"""What the pages need to know about Salesforce before there is a connection."""

from site2crm.connectors.kinds import APP_ID, APP_SECRET, ConnectorKind, SettingField, Way
from site2crm.connectors.salesforce.auth import SCOPES, SalesforceAuth
from site2crm.connectors.salesforce.connector import CAPS, Salesforce
from site2crm.connectors.salesforce.hooks import FlowHooks, receipt
from site2crm.connectors.salesforce.login import HOSTS, MY_DOMAIN, PRODUCTION, SANDBOX
from site2crm.connectors.salesforce.properties import NOTE
from site2crm.connectors.salesforce.sales import SalesforceSales, bars_deals

SALESFORCE = ConnectorKind(
    name="salesforce",
    label="Salesforce",
    caps=CAPS,
    settings=(
        SettingField(
            name="login",
            label="Where people sign in",
            kind="choice",
            help="Production is also for developer orgs. My Domain is needed if the org forbids the common login page.",
            choices=((PRODUCTION, "Production"), (SANDBOX, "Sandbox"), (MY_DOMAIN, "My Domain")),
        ),
        SettingField(
            name="domain",
            label="My Domain",
            kind="text",
            required=False,
            help="Only for My Domain. In Salesforce: Setup, My Domain.",
            placeholder="acme.my.salesforce.com",
        ),
        SettingField(
            name="target",
            label="People become",
            kind="choice",
            help="Leads are qualified and converted by your sales people. Deals can be made for contacts only.",
            choices=(("lead", "Leads"), ("contact", "Contacts")),
        ),
        SettingField(
            name=APP_ID,
            label="Consumer key",
            kind="text",
            required=False,
            help="Of the External Client App that you make in Salesforce: Setup, External Client App Manager.",
            placeholder="3MVG9…",
            way=Way.OAUTH,
        ),
        SettingField(
            name=APP_SECRET,
            label="Consumer secret",
            kind="secret",
            required=False,
            help="Shown beside the consumer key.",
            way=Way.OAUTH,
        ),
    ),
    default_mapping={
        "email": "Email",
        "first_name": "FirstName",
        "last_name": "LastName",
        "phone": "Phone",
        "company": "Company",
        "message": NOTE,
    },
    opens=Salesforce,
    fills=("LastName", "Company"),
    auth=SalesforceAuth,
    revokes_apart=True,
    sales=SalesforceSales,
    bars_deals=bars_deals,
    hooks=FlowHooks,
    hook_receipt=receipt,
    rights=SCOPES,
    help_slug="salesforce",
    hosts=HOSTS,
    cures=(
        (
            "lacks a right",
            "In Salesforce, give the connected user a permission set with this right, then test again.",
        ),
        (
            "No such column",
            "In Salesforce, let the connected user see this field (field-level security), or map another one.",
        ),
        (
            "API is switched off",
            "The connected user needs the permission “API Enabled”, and an edition of Salesforce with an API.",
        ),
        (
            "does not accept the app",
            "Copy the consumer key and secret of the External Client App again; its callback URL must be ours.",
        ),
        (
            "no longer accepts this sign-in",
            "Sign in again: the access was revoked there, or has not been used for long.",
        ),
        ("does not take this sign-in", "Sign in again: the access was revoked there."),
        ("Nobody has signed in", "Sign in to Salesforce."),
        ("is no My Domain", "Copy it from Salesforce: Setup, My Domain. It ends in .my.salesforce.com."),
        ("allow_private", "The operator of this instance has to allow the address, or remove the base_url."),
        ("stored access cannot be read", "Enter the consumer secret again, then sign in again."),
        ("", "Mend what Salesforce complains about there, then test again, or sign in again."),
    ),
    about="Leads or contacts in Salesforce, with your own fields; deals, calls and meetings come back.",
)
