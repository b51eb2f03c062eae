"""What forms add to the product."""

from site2crm.core.feature import Feature, NavItem
from site2crm.forms import api, pages
from site2crm.forms.declaring import Forms
from site2crm.forms.intake import Intake
from site2crm.forms.registry import loaded

FEATURE = Feature(
    name="forms",
    routers=(api.router, pages.router),
    raw={"f": Intake},
    captures=(loaded,),
    nav=(NavItem("Forms", "forms", "form", "forms:read", order=30),),
    creates=(NavItem("New form", "forms/new", "plus", "forms:write"),),
    declares=(Forms(),),
)
