"""Deliveries and breakers in numbers, for the operator: no org, no lead."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core.figures import Figure, Kind, Sample, by
from site2crm.core.machine import Machine
from site2crm.delivery.drain import drains
from site2crm.delivery.models import Delivery
from site2crm.delivery.states import State

UNFINISHED = [state for state in State if state is not State.DELIVERED]
"""Those that arrived are most of the table: counting them at every look would read all of it."""


async def figures(machine: Machine, session: AsyncSession) -> Sequence[Figure]:
    counted = await session.execute(
        select(Delivery.state, func.count().label("many"))
        .where(Delivery.state.in_(UNFINISHED))
        .group_by(Delivery.state)
    )
    known = {row.state: row.many for row in counted}
    breakers = drains(machine).breakers
    resting = [connection for connection, breaker in breakers.items() if breaker.is_open]
    return [
        by(
            Kind.GAUGE, "deliveries", "Deliveries that have not arrived.",
            label="state", values={state.value: known.get(state.value, 0) for state in UNFINISHED},
        ),
        by(
            Kind.GAUGE, "breakers", "Connections, by whether they are left alone for a while because they fail.",
            label="state", values={"open": len(resting), "closed": len(breakers) - len(resting)},
        ),
        Figure(
            "breaker_open", Kind.GAUGE, "1 for each connection that is left alone.",
            [Sample(1, {"connection": connection}) for connection in resting],
        ),
    ]  # fmt: skip
