"""The salespeople of the demo's Zoho CRM."""

from datetime import UTC, datetime
from typing import Any

from site2crm.connectors.contract import Act
from tests.connectors.selling import Selling
from tests.fakes.zoho import ZohoFake

_AT = "2026-11-02T10:00:00+01:00"
_SAID: dict[Act, dict[str, Any]] = {
    Act.CALL: {"Subject": "Offer", "Call_Type": "Outbound", "Call_Start_Time": _AT, "Call_Duration": "02:00",
               "Call_Duration_in_seconds": 120},
    Act.MEETING: {"Event_Title": "Offer", "Start_DateTime": _AT, "End_DateTime": "2026-11-02T11:00:00+01:00"},
    Act.TASK: {"Subject": "Offer", "Status": "Completed", "Due_Date": "2026-11-02", "Closed_Time": _AT},
}  # fmt: skip
_MODULES = {Act.CALL: "Calls", Act.MEETING: "Events", Act.TASK: "Tasks"}


def add_deal(fake: ZohoFake, *, title: str, amount: str, currency: str, person: str, owner: str) -> str:
    fake.multiple_currencies("EUR", "USD")
    links = {"Contact_Name": {"id": person}} if person else {}
    links |= {"Owner": {"id": owner}} if owner else {}
    return fake.add("Deals", Deal_Name=title, Amount=float(amount), Currency=currency, Stage="Qualification",
                    Pipeline="Standard", Closing_Date="2026-12-31", **links)  # fmt: skip


def win(fake: ZohoFake, id: str) -> None:
    fake.records["Deals"][id] |= {
        "Stage": "Closed Won", "Closing_Date": "2026-11-20",
        "Modified_Time": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip


def add_activity(fake: ZohoFake, kind: Act, *, owner: str, person: str) -> str:
    return fake.add(_MODULES[kind], Owner={"id": owner}, Who_Id={"id": person}, **_SAID[kind])


SELLING = Selling(
    add_person=lambda fake: fake.add("Contacts", Last_Name="P", Email=f"p{len(fake.people)}@example.com"),
    remove_person=lambda fake, id: fake.remove("Contacts", id),
    add_owner=lambda fake, first, last, *, active: fake.add_user(first, last, active=active),
    add_deal=add_deal,
    win=win,
    remove_deal=lambda fake, id: fake.remove("Deals", id),
    add_activity=add_activity,
    deals=lambda fake: len(fake.records["Deals"]),
    page=2000,
)
