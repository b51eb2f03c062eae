"""A delivery in plain words: what happened, why, and what mends it."""

from msgspec import Struct

from site2crm.connectors.contract import EMPTY
from site2crm.delivery.judging import GAVE_UP
from site2crm.delivery.queries import DeliveryItem
from site2crm.delivery.states import State


class Explanation(Struct, frozen=True):
    """`why` is what the CRM said, in its own words."""

    what: str
    why: str
    cure: str
    tone: str


def explain(delivery: DeliveryItem, crm: str) -> Explanation:
    why = delivery.error or ""
    if delivery.person_at is not None:
        return _without_deal(delivery, crm)
    match State(delivery.state):
        case State.PENDING:
            return Explanation(f"This lead is about to be sent to {crm}.", why, "Nothing to do.", "info")
        case State.SENDING:
            return Explanation(f"This lead is being sent to {crm} at this moment.", why, "Nothing to do.", "info")
        case State.DELIVERED:
            return _delivered(delivery, crm)
        case State.RETRYING:
            cure = "Nothing to do: it is tried again by itself. You can also try now."
            return Explanation(f"{crm} could not take this lead yet.", why, cure, "warn")
        case State.PARKED:
            cure = "Mend the connection; then this lead is sent by itself, oldest first."
            return Explanation(f"This lead waits until {crm} can be sent to again.", why, cure, "warn")
        case State.SKIPPED:
            return _skipped(delivery, crm)
        case State.DEAD:
            return _dead(delivery, crm)


def _without_deal(delivery: DeliveryItem, crm: str) -> Explanation:
    """The person is there; whatever happens now is about the deal."""
    why = delivery.error or ""
    match State(delivery.state):
        case State.DEAD:
            cure = "Mend the deal on the page of the mapping, then send it again: only the deal is made."
            return Explanation(f"{crm} has this lead, but not its deal.", why, cure, "bad")
        case State.SKIPPED:
            return Explanation(f"{crm} has this lead, without a deal.", why, "The deal can still be made.", "neutral")
        case State.PARKED:
            cure = "Mend the connection; then the deal is made by itself."
            return Explanation(f"{crm} has this lead. Its deal waits until it can be made.", why, cure, "warn")
        case State.RETRYING:
            return Explanation(f"{crm} has this lead. Its deal is tried again.", why, "Nothing to do.", "warn")
    return Explanation(f"{crm} has this lead. Its deal is made next.", why, "Nothing to do.", "info")


def _delivered(delivery: DeliveryItem, crm: str) -> Explanation:
    if not delivery.warnings:
        return Explanation(f"{crm} has this lead.", "", "", "good")
    left_out = ", ".join(str(warning["property"]) for warning in delivery.warnings)
    why = " ".join(dict.fromkeys(str(warning["text"]) for warning in delivery.warnings))
    cure = "Mend the mapping of the connection, then send it again."
    return Explanation(f"{crm} has this lead, but without {left_out}.", why, cure, "warn")


def _skipped(delivery: DeliveryItem, crm: str) -> Explanation:
    cure = "It can still be sent."
    if delivery.error_code == EMPTY:
        cure = "Map a field that this lead has filled in, in the mapping of the connection; then send it again."
    return Explanation(f"This lead is not sent to {crm}.", delivery.error or "", cure, "neutral")


def _dead(delivery: DeliveryItem, crm: str) -> Explanation:
    why = delivery.error or ""
    if delivery.error_code == GAVE_UP:
        return Explanation(f"{crm} did not take this lead in all tries.", why, "Send it again once it works.", "bad")
    if delivery.error_field:
        cure = f"Give {delivery.error_field} another value and send it again."
        return Explanation(f"{crm} refused {delivery.error_field}.", why, cure, "bad")
    return Explanation(f"{crm} refused this lead.", why, "Edit what is sent, and send it again.", "bad")
