"""What the pages need to know about a webhook before there is one."""

from site2crm.connectors.kinds import ConnectorKind, SettingField
from site2crm.connectors.webhook import pushed
from site2crm.connectors.webhook.connector import CAPS, WebhookCrm
from site2crm.connectors.webhook.signing import new_secret

WEBHOOK = ConnectorKind(
    name="webhook",
    label="Custom CRM (signed webhook)",
    caps=CAPS,
    settings=(
        SettingField(
            name="url",
            label="Address",
            kind="url",
            help="Where each lead is sent by POST, as JSON.",
            placeholder="https://crm.example.com/hooks/leads",
        ),
        SettingField(
            name="secret",
            label="Signing secret",
            kind="secret",
            required=False,
            help="Leave it empty and we make one. The receiver checks the signature with it.",
            placeholder="whsec_…",
            make=new_secret,
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
    opens=WebhookCrm,
    reads_push=pushed.read,
    help_slug="webhook-crm",
    about="Any other CRM: each lead as one signed POST with JSON, as Standard Webhooks.",
    icon="webhook",
    short="Custom CRM",
    cures=(
        ("answered 401", "The receiver does not take our signature: enter the secret that it checks with."),
        ("answered 403", "The receiver does not let us in: allow it there, or correct the address."),
        ("answered 410", "This address is switched off for good: enter the new one."),
        ("a redirect to", "Redirects are not followed: enter the final address."),
        ("stored access cannot be read", "Enter the signing secret again."),
        ("allow_private", "The operator of this instance has to allow the address, or enter one on the internet."),
        ("", "Mend the receiver or correct the address or secret, then test again."),
    ),
)
