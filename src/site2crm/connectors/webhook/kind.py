"""What the pages need to know about a webhook before there is one."""

from site2crm.connectors.contract import ConnectorKind, SettingField
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
    help_slug="webhook-crm",
)
