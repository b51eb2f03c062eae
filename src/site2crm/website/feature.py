"""What the website adds to the product: public pages, no rows, no jobs."""

from site2crm.core.feature import Feature
from site2crm.website import pages

FEATURE = Feature(name="website", routers=(pages.router,))
