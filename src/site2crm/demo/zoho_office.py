"""The invented Zoho organisation itself: its users, fields, pipelines, and the channels that tell of changes."""

from datetime import datetime, timedelta
from typing import Any

from site2crm.demo.server import Answer, Request
from site2crm.demo.zoho_accounts import Accounts
from site2crm.demo.zoho_fields import STAGES, Field
from site2crm.demo.zoho_records import ME, ZONE, error
from site2crm.kit import clock

LAYOUT = "5550000000091023"
LONGEST_CHANNEL = timedelta(days=7)
DEFAULT_CHANNEL = timedelta(hours=1)
LONGEST_TOKEN = 50
SAMPLE_USERS = (
    (ME["id"], ME["name"], "uma@example.com", "active"),
    ("5550000000112", "Ben Seller", "ben@example.com", "active"),
    ("5550000000113", "Gone Gary", "gary@example.com", "disabled"),
)


class Office(Accounts):
    def __init__(self) -> None:
        super().__init__()
        self.org = {
            "id": "5550000000000", "company_name": "Zylker", "iso_code": "EUR", "currency": "Euro - EUR",
            "currency_symbol": "€", "time_zone": "Europe/Berlin", "country_code": "DE", "domain_name": "org20061234",
            "type": "production", "zgid": "20061234",
            "license_details": {"paid": True, "paid_type": "standard", "users_license_purchased": 3,
                                "portal_users_license_purchased": 0},
        }  # fmt: skip
        self.users = [_user(*known) for known in SAMPLE_USERS]
        self.pipelines = [_pipeline("5550000000200", "Standard", default=True), _pipeline("5550000000300", "Partners")]
        self.channels: dict[str, dict[str, Any]] = {}

    def add_user(self, first: str, last: str, *, active: bool) -> str:
        id = str(int(self.users[-1]["id"]) + 1)
        email = f"{first}.{last}@example.com".lower()
        self.users.append(_user(id, f"{first} {last}", email, "active" if active else "disabled"))
        return id

    def list_users(self, request: Request) -> Answer:
        kind = request.query.get("type", "AllUsers")
        page, size = int(request.query.get("page", "1")), int(request.query.get("per_page", "200"))
        chosen = [
            user for user in self.users
            if kind == "AllUsers" or (kind == "CurrentUser" and user["id"] == ME["id"])
            or (kind == "ActiveUsers" and user["status"] == "active")
        ]  # fmt: skip
        part = chosen[(page - 1) * size : page * size]
        info = {"per_page": size, "count": len(part), "page": page, "more_records": len(chosen) > page * size}
        return Answer(200, {"users": part, "info": info}) if part else Answer(204)

    def org_answer(self) -> Answer:
        return Answer(200, {"org": [self.org]})

    def list_fields(self, request: Request, fields: dict[str, dict[str, Field]]) -> Answer:
        module = request.query.get("module", "")
        if module not in fields:
            return Answer(400, {**error("INVALID_MODULE", "the module name given seems to be invalid"), "details": {}})
        return Answer(200, {"fields": list(fields[module].values())})

    def list_layouts(self) -> Answer:
        return Answer(200, {"layouts": [{"id": LAYOUT, "name": "Standard", "status": "active", "visible": True}]})

    def list_pipelines(self, request: Request) -> Answer:
        if request.query.get("layout_id") != LAYOUT:
            return Answer(400, {**error("INVALID_DATA", "invalid layout"), "details": {"param_name": "layout_id"}})
        return Answer(200, {"pipeline": self.pipelines}) if self.pipelines else Answer(204)

    def watch(self, request: Request) -> Answer:
        self.channels = {id: one for id, one in self.channels.items() if _until(one) > clock.now()}
        match request.method:
            case "POST":
                return self._watch_new(request.json()["watch"])
            case "DELETE":
                ids = [id for id in request.query.get("channel_ids", "").split(",") if id in self.channels]
                if not ids:
                    return Answer(400, {"watch": [error("NOT_SUBSCRIBED", "not subscribed")]})
                details = {"resource_uri": "https://www.zohoapis.eu/crm/v8/Deals", "resource_id": "5550000000002181"}
                gone = [{"code": "SUCCESS", "message": "Successfully un-subscribed", "status": "success",
                         "details": {**details, "channel_id": id}} for id in ids if self.channels.pop(id)]  # fmt: skip
                return Answer(200, {"watch": gone})
        listed = [_shown(one, event) for one in self.channels.values() for event in one["events"]]
        info = {"per_page": 200, "count": len(listed), "page": 1, "more_records": False}
        return Answer(200, {"watch": listed[:200], "info": info}) if listed else Answer(204)

    def notice(self, module: str, operation: str, ids: list[str]) -> list[dict[str, Any]]:
        """What the channels would be sent: the body of each call, for those that listen to it."""
        wanted = {"insert": "create", "update": "edit", "delete": "delete"}[operation]
        return [
            {"server_time": int(clock.now().timestamp() * 1000), "module": module, "operation": operation,
             "channel_id": one["channel_id"], "token": one["token"], "ids": ids, "affected_fields": [],
             "affected_values": [], "query_params": {}, "resource_uri": f"{self.api_domain}/crm/v8/{module}"}
            for one in self.channels.values()
            if {f"{module}.all", f"{module}.{wanted}"} & set(one["events"]) and _until(one) > clock.now()
        ]  # fmt: skip

    def _watch_new(self, wanted: list[dict[str, Any]]) -> Answer:
        told = [self._subscribe(one) for one in wanted]
        good = [item for item in told if item["status"] == "success"]
        return Answer(400 if not good else 207 if len(good) < len(told) else 201, {"watch": told})

    def _subscribe(self, one: dict[str, Any]) -> dict[str, Any]:
        if not one["notify_url"].startswith("https://"):
            return error("INVALID_DATA", "notify_url is not valid", api_name="notify_url")
        if len(one.get("token", "")) > LONGEST_TOKEN:
            return error("INVALID_DATA", "token is too long", api_name="token", maximum_length=LONGEST_TOKEN)
        asked = one.get("channel_expiry")
        ends = datetime.fromisoformat(asked) if asked else clock.now() + DEFAULT_CHANNEL
        if ends > clock.now() + LONGEST_CHANNEL:
            return error("INVALID_DATA", "channel_expiry is later than a week", api_name="channel_expiry")
        channel = {**one, "channel_expiry": ends.astimezone(ZONE).isoformat(timespec="seconds")}
        self.channels[one["channel_id"]] = channel
        events = [
            {"channel_expiry": channel["channel_expiry"], "resource_uri": f"{self.api_domain}/crm/v8/{event}",
             "resource_id": "5550000000002181", "resource_name": event.partition(".")[0],
             "channel_id": one["channel_id"]}
            for event in one["events"]
        ]  # fmt: skip
        return {"code": "SUCCESS", "details": {"events": events}, "message": "Successfully subscribed",
                "status": "success"}  # fmt: skip


def _user(id: str, name: str, email: str, status: str) -> dict[str, Any]:
    return {"id": id, "full_name": name, "email": email, "status": status, "time_zone": "Europe/Berlin",
            "profile": {"name": "Administrator", "id": "5550000000026011"},
            "role": {"name": "CEO", "id": "5550000000026005"}}  # fmt: skip


def _pipeline(id: str, name: str, *, default: bool = False) -> dict[str, Any]:
    maps = [
        {"id": str(int(id) + number), "display_value": stage, "actual_value": stage, "sequence_number": number,
         "forecast_type": kind, "forecast_category": {"name": kind, "id": str(int(id) + 50 + number)}}
        for number, (stage, kind) in enumerate(STAGES, 1)
    ]  # fmt: skip
    return {"id": id, "display_value": name, "actual_value": name, "default": default, "maps": maps}


def _shown(channel: dict[str, Any], event: str) -> dict[str, Any]:
    return {"channel_id": channel["channel_id"], "notify_url": channel["notify_url"], "events": [event],
            "channel_expiry": channel["channel_expiry"], "resource_name": event.partition(".")[0],
            "token": channel.get("token"), "fields": None}  # fmt: skip


def _until(channel: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(channel["channel_expiry"])
