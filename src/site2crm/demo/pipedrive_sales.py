"""The sales side of the invented Pipedrive: users, pipelines, deals, activities, and webhooks with HTTP Basic."""

from typing import Any, Protocol

from site2crm.demo.pipedrive_fields import CURRENCIES as CODES
from site2crm.demo.pipedrive_fields import Refused, check_body, check_custom, invalid
from site2crm.demo.pipedrive_store import Records, found, listed, number, when
from site2crm.demo.server import Answer, Request

MOST_WEBHOOKS = 40
_NUMBER = (int, float)
_DEAL: dict[str, type | tuple[type, ...]] = {
    "title": str, "owner_id": int, "person_id": int, "org_id": int, "pipeline_id": int, "stage_id": int,
    "value": _NUMBER, "currency": str, "status": str, "probability": _NUMBER, "lost_reason": str, "visible_to": int,
    "close_time": str, "won_time": str, "lost_time": str, "expected_close_date": str, "label_ids": list,
    "is_deleted": bool, "is_archived": bool, "archive_time": str, "custom_fields": dict,
}  # fmt: skip
_HOOK = {"subscription_url", "event_action", "event_object", "name"}
_TYPES = (("call", "Call"), ("meeting", "Meeting"), ("task", "Task"), ("deadline", "Deadline"), ("email", "Email"),
          ("lunch", "Lunch"))  # fmt: skip
ACTIVITY_TYPES = [
    {"id": id, "name": name, "icon_key": key, "color": "FFFFFF", "order_nr": id, "key_string": key,
     "active_flag": True, "is_custom_flag": False, "add_time": "2026-01-01T00:00:00Z",
     "update_time": "2026-01-01T00:00:00Z"}
    for id, (key, name) in enumerate(_TYPES, 1)
]  # fmt: skip
CURRENCIES = [
    {"id": id, "code": code, "name": code, "decimal_points": 2, "symbol": code, "active_flag": True,
     "is_custom_flag": False}
    for id, code in enumerate(CODES, 1)
]  # fmt: skip


class Account(Protocol):
    """What of the account is needed here."""

    deals: Records
    webhooks: Records
    users: list[dict[str, Any]]
    stages: list[dict[str, Any]]
    fields: dict[str, list[dict[str, Any]]]


def standard_users() -> list[dict[str, Any]]:
    return [user(1, "Ada Admin"), user(2, "Ben Seller"), {**user(3, "Cleo Gone"), "active_flag": False}]


def user(id: int, name: str) -> dict[str, Any]:
    access = [{"app": "sales", "admin": id == 1, "permission_set_id": "62cc4d7f-4038-4352-abf3-a8c1c822b631"}]
    email = f"{name.replace(' ', '.').lower()}@acme.example"
    return {
        "id": id, "name": name, "email": email, "default_currency": "EUR", "locale": "en_GB", "lang": 1,
        "activated": True, "active_flag": True, "is_deleted": False, "timezone_name": "Europe/Berlin",
        "timezone_offset": "+01:00", "role_id": 1, "is_you": id == 1, "access": access, "has_created_company": id == 1,
    }  # fmt: skip


def standard_pipelines() -> list[dict[str, Any]]:
    return [_named(1, "Sales", order_nr=1), _named(2, "Renewals", order_nr=2)]


def standard_stages() -> list[dict[str, Any]]:
    named = ((1, "Qualified", 1), (2, "Contact made", 1), (3, "Offer", 1), (4, "Renewal due", 2))
    return [
        {**_named(id, name, order_nr=order), "pipeline_id": pipeline, "deal_probability": 50,
         "is_deal_rot_enabled": False}
        for order, (id, name, pipeline) in enumerate(named, 1)
    ]  # fmt: skip


def stages_of(stages: list[dict[str, Any]], pipeline: str | None) -> list[dict[str, Any]]:
    return [stage for stage in stages if pipeline is None or str(stage["pipeline_id"]) == pipeline]


def store_deal(deals: Records, stages: list[dict[str, Any]], given: dict[str, Any]) -> dict[str, Any]:
    """`stage_id` decides the pipeline."""
    pipeline = given.get("pipeline_id", 1)
    stage = given.get("stage_id") or next(each["id"] for each in stages if each["pipeline_id"] == pipeline)
    pipeline = next(each["pipeline_id"] for each in stages if each["id"] == stage)
    row = {"owner_id": 1, "value": 0, "currency": "EUR", "status": "open", "is_archived": False, "visible_to": 3,
           "label_ids": [], "origin": "API", "creator_user_id": 1, "custom_fields": {}, **given}  # fmt: skip
    return deals.add({**row, "stage_id": stage, "pipeline_id": pipeline})


def store_activity(activities: Records, given: dict[str, Any]) -> dict[str, Any]:
    row = {"subject": "Call", "type": "call", "owner_id": 1, "done": True, "due_date": when()[:10], "due_time": "",
           "duration": "", "busy": False, "participants": [], **given}  # fmt: skip
    return activities.add(row)


def answer_deals(account: Account, request: Request, names: list[str]) -> Answer:
    deals = account.deals
    match request.method, names:
        case "GET", []:
            wanted = set(filter(None, request.query.get("status", "").split(",")))
            return listed(request, [row for row in _of(deals, wanted) if not row["is_archived"]])
        case "GET", ["archived"]:
            return listed(request, [row for row in _of(deals, set()) if row["is_archived"]])
        case "GET", [id]:
            return found(deals.get(number(id)))
        case "POST", []:
            body = _checked(account, request)
            if not body.get("title"):
                raise invalid("title: Parameter 'title' is required")
            return Answer(200, {"success": True, "data": store_deal(deals, account.stages, body)})
        case "PATCH", [id]:
            row = deals.alive(number(id))
            return Answer(200, {"success": True, "data": deals.change(row, _checked(account, request))})
    raise Refused("Method not allowed", status=405)


def answer_webhooks(account: Account, request: Request, names: list[str]) -> Answer:
    hooks = account.webhooks
    match request.method, names:
        case "GET", []:
            return Answer(200, {"success": True, "status": "ok", "data": list(hooks.rows.values())})
        case "POST", []:
            body = request.json()
            if missing := sorted(_HOOK - body.keys()):
                errors = {name: ["is required"] for name in missing}
                return Answer(400, {"success": False, "status": "error", "errors": errors})
            if len(hooks.rows) >= MOST_WEBHOOKS:
                raise Refused("Webhook limit reached", status=422)
            row = {"company_id": 9, "owner_id": 1, "user_id": 1, "is_active": 1, "type": "general", **body}
            return Answer(201, {"success": True, "status": "ok", "data": hooks.add(row)})
        case "DELETE", [id]:
            if hooks.rows.pop(number(id), None) is None:
                return Answer(404, {"success": False, "status": "error", "errors": {"id": "not found"}})
            return Answer(200, {"success": True, "status": "ok"})
    raise Refused("Method not allowed", status=405)


def _checked(account: Account, request: Request) -> dict[str, Any]:
    body = request.json()
    check_body(body, _DEAL)
    if "currency" in body and body["currency"] not in CODES:
        raise invalid(f"currency: Currency '{body['currency']}' is not supported")
    if "stage_id" in body and body["stage_id"] not in {stage["id"] for stage in account.stages}:
        raise invalid(f"stage_id: Stage {body['stage_id']} was not found")
    if "owner_id" in body and body["owner_id"] not in {user["id"] for user in account.users}:
        raise invalid(f"owner_id: User {body['owner_id']} was not found")
    if body.get("lost_reason") and body.get("status") != "lost":
        raise invalid("lost_reason: can only be set if the status is lost")
    check_custom(body.get("custom_fields", {}), account.fields["deals"], about="deal")
    return dict(body)


def _of(deals: Records, statuses: set[str]) -> list[dict[str, Any]]:
    """Deleted ones are listed only where they are asked for."""
    wanted = statuses or {"open", "won", "lost"}
    return [row for row in deals.rows.values() if ("deleted" if row["is_deleted"] else row["status"]) in wanted]


def _named(id: int, name: str, *, order_nr: int) -> dict[str, Any]:
    return {"id": id, "name": name, "order_nr": order_nr, "is_deleted": False, "add_time": "2026-01-01T00:00:00Z",
            "update_time": "2026-01-01T00:00:00Z"}  # fmt: skip
