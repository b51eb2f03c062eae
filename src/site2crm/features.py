"""The features, in the order that decides who may import whom: each may use those above it."""

from sqlalchemy import MetaData

from site2crm.accounts.feature import FEATURE as ACCOUNTS
from site2crm.analytics.feature import FEATURE as ANALYTICS
from site2crm.connectors.feature import FEATURE as CONNECTORS
from site2crm.core import tables as core_tables
from site2crm.core.db import Base
from site2crm.core.feature import Feature
from site2crm.deals.feature import FEATURE as DEALS
from site2crm.delivery.feature import FEATURE as DELIVERY
from site2crm.forms.feature import FEATURE as FORMS
from site2crm.leads.feature import FEATURE as LEADS
from site2crm.links.feature import FEATURE as LINKS
from site2crm.ops.feature import FEATURE as OPS
from site2crm.website.feature import FEATURE as WEBSITE

FEATURES: tuple[Feature, ...] = (ACCOUNTS, LINKS, FORMS, LEADS, CONNECTORS, DELIVERY, DEALS, ANALYTICS, OPS, WEBSITE)


def tables() -> MetaData:
    """Every table there is; importing the features above has defined them."""
    assert core_tables.Revision.metadata is Base.metadata
    return Base.metadata
