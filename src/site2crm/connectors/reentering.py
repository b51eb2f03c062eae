"""Another access to a connection that there is: tested before it takes the place of the present one."""

from msgspec import Struct, UnsetType

from site2crm.connectors import asking, entering, opening, words
from site2crm.connectors.contract import CrmError
from site2crm.connectors.entering import Entered, kind_named
from site2crm.connectors.granting import Kept
from site2crm.connectors.kinds import APP_ID, APP_SECRET, Way
from site2crm.connectors.models import Connection
from site2crm.connectors.opening import Access, Budgets, Checked
from site2crm.connectors.ruling import ConnectionPatch
from site2crm.core.errors import Invalid
from site2crm.core.machine import Machine


class Change(Struct, frozen=True, kw_only=True):
    """New settings and what the CRM says to them."""

    way: Way
    access: Access
    checked: Checked


async def reconsidered(machine: Machine, before: Connection, patch: ConnectionPatch) -> Change | None:
    """The new settings, tested; None: they stay. Raises Invalid if the CRM refuses them, or if they lead to another
    account."""
    kind, way = kind_named(before.kind), _way_of(before, patch)
    if isinstance(patch.settings, UnsetType) and way == before.way:
        return None
    given = {} if isinstance(patch.settings, UnsetType) else patch.settings
    if of_app := [name for name in (APP_ID, APP_SECRET) if way is Way.OAUTH and given.get(name, "").strip()]:
        raise Invalid.field(
            f"settings.{of_app[0]}", "Sign in again with it: only the CRM can tell whether it is right."
        )
    entered = entering.read(kind, given, way=way, known=known(machine, before))
    access = Access(
        org_id=before.org_id,
        connection_id=before.id,
        kind=before.kind,
        settings=entered.settings,
        secrets=entered.secrets,
        account=before.account,
        grants=Kept(machine, before) if way is Way.OAUTH else None,
    )
    machine.get(Budgets).forget(before.id)
    connector = await entering.opened(machine, kind, access)
    checked = await opening.examine(connector, opening.sales_side(machine, access))
    place = checked.setting or next((field.name for field in kind.settings if field.name in given), "")
    if checked.needs_a_person:
        said, cure = words.sentence(checked.error), words.cure(kind.name, checked.error)
        text = f"{kind.label} refused this: {said} {cure} Nothing was changed."
        raise Invalid.field(f"settings.{place}", text)
    if text := asking.strange(before, checked):
        raise Invalid.field(f"settings.{place}", text)
    if way != before.way and not checked.ok:
        text = f"{kind.label} could not be asked: {words.sentence(checked.error)} Try again; nothing was changed."
        raise Invalid.field(f"settings.{place}", text)
    return Change(way=way, access=access, checked=checked)


def _way_of(before: Connection, patch: ConnectionPatch) -> Way:
    """Raises Invalid for one that this kind has not, or that a browser has to go."""
    kind, now = kind_named(before.kind), Way(before.way)
    if isinstance(patch.way, UnsetType) or patch.way == now:
        return now
    if patch.way not in kind.ways:
        raise Invalid.field("way", f"{kind.label} is connected by: {', '.join(kind.ways)}.")
    if patch.way is Way.OAUTH:
        text = "Somebody signs in, in a browser: POST /api/v1/connections/{id}/authorize tells the address to open."
        raise Invalid.field("way", text.replace("{id}", before.id))
    return patch.way


def known(machine: Machine, connection: Connection) -> Entered:
    try:
        secrets = dict(opening.access_to(machine, connection).secrets)
    except CrmError:
        secrets = {}
    return Entered(settings=connection.settings, secrets=secrets, made={})
