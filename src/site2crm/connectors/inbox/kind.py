"""What the pages need to know about the Test inbox: nothing has to be entered."""

from site2crm.connectors.inbox.connector import CAPS, Inbox
from site2crm.connectors.kinds import ConnectorKind

INBOX = ConnectorKind(
    name="inbox",
    label="Test inbox",
    caps=CAPS,
    settings=(),
    default_mapping={
        "email": "email",
        "first_name": "first_name",
        "last_name": "last_name",
        "phone": "phone",
        "company": "company",
        "message": "message",
    },
    opens=Inbox,
    help_slug="test-inbox",
    about="Keeps what a CRM would have received, readable here. No account needed.",
    icon="inbox",
)
