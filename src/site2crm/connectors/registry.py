"""The kinds of CRM, in the order in which the pages offer them."""

from site2crm.connectors.contract import Connector, Context
from site2crm.connectors.hubspot.kind import HUBSPOT
from site2crm.connectors.inbox.kind import INBOX
from site2crm.connectors.kinds import ConnectorKind
from site2crm.connectors.nutshell.kind import NUTSHELL
from site2crm.connectors.pipedrive.kind import PIPEDRIVE
from site2crm.connectors.salesforce.kind import SALESFORCE
from site2crm.connectors.webhook.kind import WEBHOOK
from site2crm.connectors.zoho.kind import ZOHO

_ALL = (INBOX, HUBSPOT, SALESFORCE, PIPEDRIVE, ZOHO, NUTSHELL, WEBHOOK)

KINDS: dict[str, ConnectorKind] = {kind.name: kind for kind in _ALL}


def get(name: str) -> ConnectorKind | None:
    """The kind of that name, if there is one."""
    return KINDS.get(name)


def connect(kind: str, context: Context) -> Connector:
    """A connector for one connection. KeyError for an unknown kind, CrmError(CONFIG) for wrong settings."""
    return KINDS[kind].opens(context)
