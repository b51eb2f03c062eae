"""Alarms as banners: each with the button that mends it, or with one that says that somebody has read it.

An alarm of the machine may name paths and addresses: it is told in its own words to super admins only. What concerns
everybody, figures that begin anew, is told to everybody in other words.
"""

from collections.abc import Sequence

from msgspec import structs
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors.events import MAPPING_DRIFT, UNKNOWN_PROPERTY
from site2crm.core import alarms, web
from site2crm.core.access import OrgRef, Who, who_asks
from site2crm.core.alarms import INSTANCE, OpenAlarm
from site2crm.core.errors import Forbidden
from site2crm.core.templates import Banner
from site2crm.delivery.events import GONE, REFUSED
from site2crm.ops.declared import ALARM as DECLARED

CLEARS = "connections:write"
"""Who may say that an org has read its alarm: its admins and owners."""
MENDED_BY_ITSELF = ("events.blocked", DECLARED)
"""They end when their cause does, a faulty file when a good one is applied."""
TOLD_WITH_NUMBERS = (REFUSED,)
"""Another feature has a banner for these, which says how many."""
OF_BACKUPS = "backup."
FOR_EVERYBODY = {
    "events.damaged": "The store of the clicks was damaged: their figures begin anew. Leads are not touched by this.",
    "events.missing": "The store of the clicks was deleted: their figures begin anew. Leads are not touched by this.",
    "events.blocked": "Clicks cannot be counted up at the moment. They wait on disk, and none is lost.",
}


async def banners(session: AsyncSession, org: OrgRef) -> Sequence[Banner]:
    who, base = who_asks(web.request_of(session)), f"/o/{org.slug}"
    of_machine = await alarms.open_alarms(session, INSTANCE)
    of_org = await alarms.open_alarms(session, org.id)
    if who is not None and who.is_super:
        found = [structs.replace(_to_be_seen(alarm, base), of_instance=True) for alarm in of_machine]
    else:
        told = dict.fromkeys(FOR_EVERYBODY[alarm.code] for alarm in of_machine if alarm.code in FOR_EVERYBODY)
        found = [Banner(text=text, tone="warn", of_instance=True) for text in told]
    may_clear = who is not None and who.can(CLEARS)
    told_there = [alarm for alarm in of_org if alarm.code not in TOLD_WITH_NUMBERS]
    return [*found, *(_of_org(alarm, base, may_clear=may_clear) for alarm in told_there)]


async def see(session: AsyncSession, who: Who, alarm_id: str, *, count: int) -> None:
    """`count`: how often it had rung when it was shown. Raises NotFound for an alarm of others."""
    scopes = [*([INSTANCE] if who.is_super else []), *([who.org_id] if who.can(CLEARS) else [])]
    if not scopes:
        raise Forbidden(f"This needs the right `{CLEARS}`.")
    await alarms.seen(session, scopes, alarm_id, count=count)


def _of_org(alarm: OpenAlarm, base: str, *, may_clear: bool) -> Banner:
    if alarm.code in (UNKNOWN_PROPERTY, MAPPING_DRIFT):  # it ends when it is mended, not when it is read
        page = f"{base}/crms/{alarm.subject.partition(':')[0]}"
        url = f"{page}/mapping"
        return Banner(
            text=alarm.text, tone="warn", action_label="Open the mapping", action_url=url, told_at=(page, url)
        )
    if alarm.code == GONE:  # sent again, or there again, it ends
        page = f"{base}/crms/{alarm.subject}"
        return Banner(text=alarm.text, tone="warn", action_label="Look", action_url=f"{page}#compared", told_at=(page,))
    return _to_be_seen(alarm, base) if may_clear else Banner(text=alarm.text, tone="warn")


def _to_be_seen(alarm: OpenAlarm, base: str) -> Banner:
    if alarm.code in MENDED_BY_ITSELF:
        return Banner(text=alarm.text, tone="warn")
    if alarm.code.startswith(OF_BACKUPS):  # the next good one ends it
        return Banner(text=alarm.text, tone="warn", action_label="Open backups", action_url="/admin/backups")
    times = f" ({alarm.count} times)" if alarm.count > 1 else ""
    return Banner(
        text=alarm.text + times,
        tone="warn",
        seen_url=f"{base}/alarms/{alarm.id}/seen",
        seen_fields={"count": str(alarm.count)},
    )
