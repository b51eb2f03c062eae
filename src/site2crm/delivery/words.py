"""A delivery in plain words: what happened, why, and what mends it."""

from collections.abc import Sequence

from msgspec import Struct

from site2crm.connectors.contract import EMPTY
from site2crm.connectors.queries import sentence
from site2crm.delivery.judging import GAVE_UP
from site2crm.delivery.queries import DeliveryItem
from site2crm.delivery.service import Property
from site2crm.delivery.states import State


class Explanation(Struct, frozen=True):
    """`why` is what the CRM said, in its own words."""

    what: str
    why: str
    cure: str
    tone: str


def explain(
    delivery: DeliveryItem, crm: str, *, properties: Sequence[Property] = (), stopped: str = "", cure: str = ""
) -> Explanation:
    """`properties`: what is sent. `stopped`: why the connection has stopped, and `cure`: what to do about that."""
    why = sentence(delivery.error or "")
    if delivery.person_at is not None and delivery.state != State.PARKED:
        return _without_deal(delivery, crm)
    match State(delivery.state):
        case State.PARKED:
            return _parked(delivery, crm, why or stopped, cure)
        case State.PENDING:
            return Explanation(f"This lead is about to be sent to {crm}.", why, "Nothing to do.", "info")
        case State.SENDING:
            return Explanation(f"This lead is being sent to {crm} at this moment.", why, "Nothing to do.", "info")
        case State.DELIVERED:
            return _delivered(delivery, crm, properties)
        case State.RETRYING:
            nothing = "Nothing to do: it is tried again by itself. You can also try now."
            return Explanation(f"{crm} could not take this lead yet.", why, nothing, "warn")
        case State.SKIPPED:
            return _skipped(delivery, crm)
        case State.DEAD:
            return _dead(delivery, crm, properties)


def _parked(delivery: DeliveryItem, crm: str, why: str, cure: str) -> Explanation:
    """By its connection: what mends that is all there is to do."""
    mend = cure or "Resume the connection, or mend it."
    if delivery.person_at is not None:
        what = f"{crm} has this lead. Its deal waits until it can be made."
        return Explanation(what, why, f"{mend} Then the deal is made by itself.", "warn")
    what = f"This lead waits until {crm} can be sent to again."
    return Explanation(what, why, f"{mend} Then this lead is sent by itself.", "warn")


def mapping_mends(delivery: DeliveryItem) -> bool:
    """Whether it would have arrived whole with another mapping."""
    is_refused = delivery.state == State.DEAD and delivery.error_code != GAVE_UP
    return any(warning["property"] for warning in delivery.warnings) or delivery.error_code == EMPTY or is_refused


def _without_deal(delivery: DeliveryItem, crm: str) -> Explanation:
    """The person is there; whatever happens now is about the deal."""
    why = sentence(delivery.error or "")
    match State(delivery.state):
        case State.DEAD:
            cure = "Mend the deal on the page of the mapping, then send it again: only the deal is made."
            return Explanation(f"{crm} has this lead, but not its deal.", why, cure, "bad")
        case State.SKIPPED:
            return Explanation(f"{crm} has this lead, without a deal.", why, "The deal can still be made.", "neutral")
        case State.RETRYING:
            return Explanation(f"{crm} has this lead. Its deal is tried again.", why, "Nothing to do.", "warn")
    return Explanation(f"{crm} has this lead. Its deal is made next.", why, "Nothing to do.", "info")


def _delivered(delivery: DeliveryItem, crm: str, properties: Sequence[Property]) -> Explanation:
    if not delivery.warnings:
        return Explanation(f"{crm} has this lead.", "", "", "good")
    labels = {each.name: each.label for each in properties}
    names = [str(warning["property"]) for warning in delivery.warnings if warning["property"]]
    left_out = ", ".join(labels.get(name, name) for name in names)
    why = " ".join(dict.fromkeys(sentence(str(warning["text"])) for warning in delivery.warnings))
    if not names:
        return Explanation(f"{crm} has this lead.", why, "", "good")
    cure = "Mend the mapping of the connection, then send it again."
    return Explanation(f"{crm} has this lead, but without {left_out}.", why, cure, "warn")


def _skipped(delivery: DeliveryItem, crm: str) -> Explanation:
    cure = "It can still be sent."
    if delivery.error_code == EMPTY:
        cure = "Map a field that this lead has filled in, in the mapping of the connection; then send it again."
    return Explanation(f"This lead is not sent to {crm}.", sentence(delivery.error or ""), cure, "neutral")


def _dead(delivery: DeliveryItem, crm: str, properties: Sequence[Property]) -> Explanation:
    why = sentence(delivery.error or "")
    if delivery.error_code == GAVE_UP:
        return Explanation(f"{crm} did not take this lead in all tries.", why, "Send it again once it works.", "bad")
    refused = next((each for each in properties if each.name == delivery.error_field), None)
    if refused is None:
        what = f"{crm} refused {delivery.error_field or 'this lead'}."
        return Explanation(what, why, "Edit what is sent, and send it again.", "bad")
    if not refused.value:
        cure = f"Fill in {refused.label} and send it again; map it too, so that later leads have it."
        return Explanation(f"{crm} wants {refused.label}.", why, cure, "bad")
    cure = f"Give {refused.label} another value and send it again."
    return Explanation(f"{crm} refused {refused.label}.", why, cure, "bad")
