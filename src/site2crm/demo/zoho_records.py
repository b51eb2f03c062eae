"""The records of the invented Zoho CRM: written one by one inside a batch, found by COQL, search and list."""

import itertools
import time
from datetime import datetime, timedelta, timezone
from typing import Any

from site2crm.demo import zoho_coql, zoho_fields
from site2crm.demo.server import Answer, FakeServer, Request
from site2crm.demo.zoho_fields import Field
from site2crm.kit import clock

BATCH = 100
MOST_PAGED = 2_000
"""Rows that are reached by page number."""
ZONE = timezone(timedelta(hours=1))
"""Of the signed-in user: Zoho writes times with this offset, not in UTC."""
ME = {"id": "5550000000111", "name": "Uma User"}
KEYS = {"Leads": "Email", "Contacts": "Email", "Accounts": "Account_Name", "Deals": "Deal_Name"}
_LINKS = {"Owner", "Contact_Name", "Account_Name", "Who_Id", "What_Id", "Parent_Id"}

Record = dict[str, Any]


class Records(FakeServer):
    """`fields` may be changed: a property that goes, a choice that is renamed."""

    def __init__(self) -> None:
        super().__init__()
        self.fields = zoho_fields.modules()
        self.records: dict[str, dict[str, Record]] = {module: {} for module in self.fields}
        self.deleted: dict[str, list[Record]] = {module: [] for module in self.fields}
        self.search_lag_s = 0.0
        self.locked: set[str] = set()
        self.unique: dict[str, str] = {}
        """Module -> a custom field that must be unique."""
        self.tells_conversions = True
        """Whether COQL knows the columns about a lead's conversion."""
        self.not_queried: set[str] = set()
        """Modules that COQL does not serve."""
        self._written: dict[str, float] = {}
        self._by_value: dict[tuple[str, str], list[str]] = {}
        """(module, value of its key) -> the records that have or had it."""
        self._record_ids = itertools.count(5550000100001)

    def forget_records(self) -> None:
        for module in self.fields:
            self.records[module].clear()
            self.deleted[module].clear()
        self._by_value.clear()

    def add(self, module: str, **values: Any) -> str:
        """A record that is there already, visible to search at once."""
        id = self._store(module, values)
        self._written[id] = 0.0
        return id

    def by_email(self, email: str) -> Record | None:
        everybody = [*self.records["Leads"].values(), *self.records["Contacts"].values()]
        return next((one for one in everybody if str(one.get("Email", "")).lower() == email.lower()), None)

    def multiple_currencies(self, *codes: str) -> None:
        self.fields = zoho_fields.modules(currencies=codes)

    def write(self, request: Request, module: str, *, how: str) -> Answer:
        """POST, PUT or upsert of up to 100: 207 if only some are taken, 400 if none is."""
        try:
            rows = request.json()["data"]
            keys = request.json().get("duplicate_check_fields") or [KEYS.get(module, "")]
        except (ValueError, KeyError, TypeError, AttributeError):
            return Answer(400, error("INVALID_DATA", "body"))
        if not isinstance(rows, list) or not rows or len(rows) > BATCH:
            details = {"api_name": "data", "maximum_length": BATCH}
            return Answer(400, {"data": [{**error("INVALID_DATA", "invalid data"), "details": details}]})
        told = [self._write_one(module, row, how=how, keys=keys, place=place) for place, row in enumerate(rows)]
        good = sum(item["status"] == "success" for item in told)
        if not good:
            return Answer(400, {"data": told})
        created = how == "POST" or all(item.get("action") == "insert" for item in told)
        return Answer(207 if good < len(told) else 201 if created else 200, {"data": told})

    def convert(self, request: Request, id: str) -> Answer:
        lead, said = self.records["Leads"].get(id), request.json()["data"][0]
        if lead is None:
            return Answer(400, {**error("INVALID_DATA", "the id given seems to be invalid"), "details": {}})
        if lead["Converted__s"]:
            return Answer(400, {**error("ID_ALREADY_CONVERTED", "id already converted"), "details": {}})
        wanted = said.get("Deals")
        if wanted and (problem := self._problem("Deals", wanted, new=True)):
            problem["details"]["json_path"] = f"$.data[0].Deals.{problem['details']['api_name']}"
            return Answer(400, {"data": [problem]})
        self.convert_lead(id, wanted)
        contact, deal = lead["Converted_Contact"], lead["Converted_Deal"]
        account = self.records["Contacts"][contact["id"]]["Account_Name"]
        details = {"Contacts": contact, "Accounts": account, "Deals": deal}
        done = {"code": "SUCCESS", "message": "The record has been converted successfully", "status": "success"}
        return Answer(200, {"data": [{**done, "details": details}]})

    def convert_lead(self, id: str, deal: Record | None) -> None:
        """The lead becomes a contact of the account of its company, and perhaps a deal."""
        lead = self.records["Leads"][id]
        account = self._link("Accounts", self._found_or_made("Accounts", {"Account_Name": lead["Company"]}))
        person = {name: lead[name] for name in self.fields["Contacts"] if name in lead and name != "id"}
        contact = self._link("Contacts", self._store("Contacts", {**person, "Account_Name": account}))
        made = None
        if deal:
            links = {"Contact_Name": contact, "Account_Name": account, "Owner": lead["Owner"]}
            made = self._link("Deals", self._store("Deals", {**links, **deal}))
        lead |= {"Converted__s": True, "Converted_Contact": contact, "Converted_Deal": made, "Modified_Time": now()}

    def delete(self, module: str, id: str) -> Answer:
        if not self.remove(module, id):
            return Answer(400, {"data": [_item_error("INVALID_DATA", "the id given seems to be invalid")]})
        done = {"code": "SUCCESS", "details": {"id": id}, "message": "record deleted", "status": "success"}
        return Answer(200, {"data": [done]})

    def remove(self, module: str, id: str, *, bin: str = "recycle") -> bool:
        record = self.records[module].pop(id, None)
        if record is None:
            return False
        name = record.get("Deal_Name") or record.get("Last_Name") or record.get("Subject")
        self.deleted[module].append({"id": id, "type": bin, "deleted_time": now(), "display_name": name,
                                     "deleted_by": ME, "created_by": ME})  # fmt: skip
        return True

    def coql(self, request: Request) -> Answer:
        try:
            query = zoho_coql.parse(request.json()["select_query"])
            if query.module not in self.fields or query.module in self.not_queried:
                raise zoho_coql.Refused("INVALID_QUERY", {"module": query.module})
            known = {*self.fields[query.module], "id"}
            if not self.tells_conversions:
                known -= {"Converted__s", "Converted_Contact", "Converted_Deal"}
            if unknown := next((column for column in sorted(query.used) if column not in known), None):
                raise zoho_coql.Refused("INVALID_QUERY", {"column_name": unknown})
        except zoho_coql.Refused as refused:
            return Answer(400, {**error(refused.code, "invalid query formed"), "details": refused.details})
        rows, more = zoho_coql.run(query, iter(self.records[query.module].values()))
        if not rows:
            return Answer(204)
        data = [{name: _brief(value) for name, value in row.items()} for row in rows]
        return Answer(200, {"data": data, "info": {"count": len(data), "more_records": more}})

    def list_records(self, request: Request, module: str) -> Answer:
        asked = request.query
        if not asked.get("fields"):
            return Answer(400, {"data": [_item_error("REQUIRED_PARAM_MISSING", "A parameter is missing",
                                                     resource_path_index=0)]})  # fmt: skip
        ids = set(filter(None, asked.get("ids", "").split(",")))
        converted = asked.get("converted", "false")
        found = [
            record
            for record in self.records[module].values()
            if (not ids or record["id"] in ids)
            and (module != "Leads" or converted == "both" or record["Converted__s"] is (converted == "true"))
        ]
        names = ["id", *asked["fields"].split(",")]
        data = [{name: record.get(name) for name in names} for record in found[:BATCH]]
        info = {"per_page": BATCH, "count": len(data), "page": 1, "more_records": len(found) > BATCH}
        return Answer(200, {"data": data, "info": info}) if data else Answer(204)

    def search(self, request: Request, module: str) -> Answer:
        """What was written a moment ago is not in the index yet."""
        asked, seen = request.query, time.monotonic() - self.search_lag_s
        key, value = ("Email", asked["email"]) if "email" in asked else ("Phone", asked.get("phone", ""))
        found = [
            record
            for id, record in self.records[module].items()
            if self._written[id] <= seen and str(record.get(key, "")).lower() == value.lower()
            and not (module == "Leads" and record["Converted__s"] and asked.get("converted", "false") == "false")
        ]  # fmt: skip
        info = {"per_page": 200, "count": len(found), "page": 1, "more_records": False}
        return Answer(200, {"data": found, "info": info}) if found else Answer(204)

    def list_deleted(self, request: Request, module: str) -> Answer:
        page, size = int(request.query.get("page", "1")), int(request.query.get("per_page", "200"))
        if page * size > MOST_PAGED:
            text = "You have reached the maximum limit of page param. Use page_token"
            return Answer(400, error("DISCRETE_PAGINATION_LIMIT_EXCEEDED", text))
        since = request.headers.get("if-modified-since")
        rows = [row for row in self.deleted[module]
                if not since or _moment(row["deleted_time"]) >= _moment(since)]  # fmt: skip
        if not rows:
            return Answer(204)
        part = rows[(page - 1) * size : page * size]
        info = {"per_page": size, "count": len(part), "page": page, "more_records": len(rows) > page * size}
        return Answer(200, {"data": part, "info": info})

    def _write_one(self, module: str, row: Record, *, how: str, keys: list[str], place: int) -> dict[str, Any]:
        known = self._meant(module, row, how=how, keys=keys)
        if how == "PUT" and known is None:
            return _item_error("INVALID_DATA", "the id given seems to be invalid", api_name="id",
                               json_path=f"$.data[{place}].id")  # fmt: skip
        if known in self.locked:
            return _item_error("RECORD_LOCKED", "The record is locked")
        values = {name: value for name, value in row.items() if name != "id" and not name.startswith("$")}
        if problem := self._problem(module, values, new=known is None, place=place):
            return problem
        if other := self._other_with_unique(module, values, known):
            return _item_error("DUPLICATE_DATA", "duplicate data", api_name=self.unique[module], id=other)
        found_by = keys[0] if known and how == "upsert" and not row.get("id") else None
        id = self._store(module, values) if known is None else self._change(module, known, values)
        record = self.records[module][id]
        done: dict[str, Any] = {
            "code": "SUCCESS", "status": "success", "message": "record updated" if known else "record added",
            "details": {"id": id, "Created_Time": record["Created_Time"], "Modified_Time": record["Modified_Time"],
                        "Created_By": ME, "Modified_By": ME,
                        **({} if module == "Notes" or how == "upsert" else {"$approval_state": "approved"})},
        }  # fmt: skip
        if how == "upsert":
            done |= {"action": "update" if known else "insert", "duplicate_field": found_by}
        return done

    def _meant(self, module: str, row: Record, *, how: str, keys: list[str]) -> str | None:
        """The record that this row is about, if it exists. A converted lead is out of reach."""
        if how == "PUT" or row.get("id"):
            return row["id"] if self._is_live(module, row.get("id", "")) else None
        if how == "POST":
            return None
        for key in filter(row.get, keys):
            wanted = str(row[key]).lower()
            for id in self._by_value.get((module, wanted), ()):
                if self._is_live(module, id) and str(self.records[module][id].get(key, "")).lower() == wanted:
                    return id
        return None

    def _is_live(self, module: str, id: str) -> bool:
        return id in self.records[module] and not self.records[module][id].get("Converted__s")

    def _problem(self, module: str, values: Record, *, new: bool, place: int = 0) -> dict[str, Any] | None:
        for name, value in values.items():
            if details := zoho_fields.refusal(self._field(module, name), name, value):
                details["json_path"] = f"$.data[{place}].{name}"
                return _item_error("INVALID_DATA", "invalid data", **details)
        for name, field in self.fields[module].items():
            if new and field["system_mandatory"] and not values.get(name):
                return _item_error("MANDATORY_NOT_FOUND", "required field not found", api_name=name,
                                   json_path=f"$.data[{place}].{name}")  # fmt: skip
        return None

    def _field(self, module: str, name: str) -> Field | None:
        return self.fields[module].get(name)

    def _other_with_unique(self, module: str, values: Record, known: str | None) -> str | None:
        name = self.unique.get(module)
        if name is None or not values.get(name):
            return None
        return next((id for id, one in self.records[module].items()
                     if id != known and one.get(name) == values[name]), None)  # fmt: skip

    def _store(self, module: str, values: Record) -> str:
        id = str(next(self._record_ids))
        blank = dict.fromkeys(self.fields[module])
        self.records[module][id] = {**blank, "Owner": ME, "Created_Time": now(), **self._linked(values),
                                    "Modified_Time": values.get("Modified_Time") or now(), "id": id}  # fmt: skip
        if module == "Leads":
            self.records[module][id]["Converted__s"] = bool(values.get("Converted__s"))
        self._note_written(module, id)
        return id

    def _change(self, module: str, id: str, values: Record) -> str:
        self.records[module][id] |= {**self._linked(values), "Modified_Time": now()}
        self._note_written(module, id)
        return id

    def _note_written(self, module: str, id: str) -> None:
        self._written[id] = time.monotonic()
        if value := self.records[module][id].get(KEYS.get(module, "")):
            same = self._by_value.setdefault((module, str(value).lower()), [])
            if id not in same:
                same.append(id)

    def _linked(self, values: Record) -> Record:
        """A link is given by its id, and told with the name."""
        return {name: self._named(value) if name in _LINKS and isinstance(value, dict) else value
                for name, value in values.items()}  # fmt: skip

    def _named(self, link: Record) -> Record:
        module = next((module for module, records in self.records.items() if link.get("id") in records), None)
        return self._link(module, link["id"]) if module else {"name": ME["name"], "id": str(link.get("id", ""))}

    def _link(self, module: str, id: str) -> Record:
        record = self.records[module][id]
        names = ("Full_Name", "Last_Name", "Account_Name", "Deal_Name", "Subject")
        return {"name": str(next((record[n] for n in names if record.get(n)), "")), "id": id}

    def _found_or_made(self, module: str, values: Record) -> str:
        key = KEYS[module]
        same = (id for id, one in self.records[module].items() if one[key] == values[key])
        return next(same, None) or self._store(module, values)


def written_price(request: Request) -> int:
    """One credit for each ten records."""
    try:
        return max(1, -(-len(request.json()["data"]) // 10))
    except (ValueError, KeyError, TypeError):
        return 1


def now() -> str:
    return clock.now().astimezone(ZONE).isoformat(timespec="seconds")


def error(code: str, message: str, **details: Any) -> dict[str, Any]:
    return {"code": code, "details": details, "message": message, "status": "error"}


def _item_error(code: str, message: str, **details: Any) -> dict[str, Any]:
    return error(code, message, **details)


def _brief(value: Any) -> Any:
    """COQL gives links by their ids only."""
    return {"id": value["id"]} if isinstance(value, dict) and "id" in value else value


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
