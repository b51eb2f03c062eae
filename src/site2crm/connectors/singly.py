"""People who are sent one by one, to a CRM whose safe way takes one in a call."""

from collections.abc import Awaitable, Callable, Sequence

from site2crm.connectors.contract import CrmError, ErrorClass, PersonIn, Written

STOPS_THE_REST = frozenset({ErrorClass.REAUTH, ErrorClass.THROTTLE, ErrorClass.CONFIG})
"""What is so for one person is so for all who come after: they are not tried."""


async def one_by_one(people: Sequence[PersonIn], upsert: Callable[[PersonIn], Awaitable[Written]]) -> list[Written]:
    """One result each, in order; a dead token or a reached limit is not tried again for the rest."""
    written: list[Written] = []
    stopped: CrmError | None = None
    for person in people:
        if stopped is not None:
            written.append(Written(person.ref, error=stopped))
            continue
        written.append(await upsert(person))
        error = written[-1].error
        stopped = error if error and error.kind in STOPS_THE_REST else None
    return written
