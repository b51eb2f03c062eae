"""What links add to the product."""

from site2crm.core.feature import Feature, NavItem
from site2crm.links import api, pages
from site2crm.links.redirect import Redirect
from site2crm.links.registry import loaded

FEATURE = Feature(
    name="links",
    routers=(*api.routers, pages.router),
    fallback=Redirect,
    captures=(loaded,),
    nav=(NavItem("Links", "links", "link", "links:read", order=40),),
    creates=(NavItem("New link", "links/new", "plus", "links:write"),),
)
