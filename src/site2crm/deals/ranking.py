"""Salespeople: what each did and won in a time, and the points that this is worth.

One person may have an account in several CRMs: those with the same e-mail address are one. What a CRM does not tell
(e-mails, mostly) is None and not zero.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.connectors import queries as connections
from site2crm.connectors.contract import Act
from site2crm.connectors.sales import Status
from site2crm.deals import counting, queries
from site2crm.deals.models import Activity, Deal, Owner, Stream, Weights
from site2crm.deals.queries import Sum
from site2crm.kit import clock, money

COUNTED = (Act.CALL, Act.EMAIL, Act.MEETING)


class WeightsOut(Struct, frozen=True, kw_only=True):
    """Points for each call, e-mail, meeting and won deal, and for each thousand won in `currency`.

    `currency` "" is the one in which most was won; what was won in others is shown, and counts nothing.
    """

    call: float = 1
    email: float = 0.5
    meeting: float = 5
    won: float = 20
    amount: float = 2
    currency: str = ""


class Salesperson(Struct, frozen=True, kw_only=True):
    """`calls`, `emails`, `meetings`: None where no CRM of theirs tells. `active`: still uses one of them."""

    id: str
    name: str
    email: str
    active: bool
    connections: list[str]
    calls: int | None
    emails: int | None
    meetings: int | None
    won: int
    amounts: list[Sum]
    score: float


class Ranking(Struct, frozen=True, kw_only=True):
    """The most points first. `currency`: whose amounts count."""

    people: list[Salesperson]
    currency: str
    weights: WeightsOut
    untold: dict[str, list[str]]
    """Connection id -> the kinds of activity that this CRM does not tell."""


async def weights(session: AsyncSession, org_id: str) -> WeightsOut:
    row = await session.get(Weights, org_id)
    if row is None:
        return WeightsOut()
    points = {name: getattr(row, name) / 100 for name in ("call", "email", "meeting", "won", "amount")}
    return WeightsOut(**points, currency=row.currency)


async def ranking(
    session: AsyncSession, org_id: str, *, since: datetime, until: datetime, connection: str = ""
) -> Ranking:
    """In [since, until), at one connection or at all."""
    selling = await queries.selling(session, org_id)
    wanted = [id for id in selling if connection in ("", id)]
    kinds = await connections.kinds(session, org_id)
    told = {id: await _told(session, id, kinds[id]) for id in wanted}
    acts = await _acts(session, org_id, since, min(until, clock.now()))
    won = await _won(session, org_id, since, until)
    people = await _people(session, org_id, wanted, active={*acts, *won})
    points = await weights(session, org_id)
    currency = points.currency or _main([sums for id, (_, sums) in won.items() if id[0] in told])
    found = [_salesperson(accounts, told, acts, won, points, currency) for accounts in people.values()]
    shown = [one for one in found if one.active or one.score or one.won or one.calls or one.emails or one.meetings]
    shown.sort(key=lambda one: (-one.score, -one.won, one.name.casefold(), one.id))
    untold = {id: [act.value for act in COUNTED if act not in known] for id, known in told.items()}
    return Ranking(people=shown, currency=currency, weights=points, untold={k: v for k, v in untold.items() if v})


async def _told(session: AsyncSession, connection_id: str, kind: str) -> frozenset[Act]:
    """What this CRM tells us: its kind can, and it does not refuse."""
    refused = await session.scalars(
        select(Stream.name).where(Stream.connection_id == connection_id, Stream.error != "", Stream.full_at.is_(None))
    )
    return connections.caps(kind).activities - set(refused)


async def _people(
    session: AsyncSession, org_id: str, wanted: Collection[str], *, active: Collection[tuple[str, str]]
) -> dict[str, list[Owner]]:
    """Everybody the CRMs tell of, and who did or won something and is told of no more: known by the id alone."""
    order = (Owner.active.desc(), Owner.connection_id, Owner.remote_id)
    told = select(Owner).where(Owner.connection_id.in_(wanted), Owner.org_id == org_id).order_by(*order)
    people: dict[str, list[Owner]] = defaultdict(list)
    known = set()
    for row in await session.scalars(told):
        people[row.email.casefold() or f"{row.connection_id}:{row.remote_id}"].append(row)
        known.add((row.connection_id, row.remote_id))
    for connection_id, id in sorted(active):
        if id and connection_id in wanted and (connection_id, id) not in known:
            gone = Owner(connection_id=connection_id, remote_id=id, org_id=org_id, name=id, email="", active=False)
            people[f"{connection_id}:{id}"].append(gone)
    return people


async def _acts(
    session: AsyncSession, org_id: str, since: datetime, until: datetime
) -> dict[tuple[str, str], dict[Act, int]]:
    rows = await session.execute(
        select(Activity.connection_id, Activity.owner, Activity.kind, func.count())
        .where(
            Activity.org_id == org_id, Activity.at >= since, Activity.at < until, Activity.done.is_(True),
            Activity.owner != "", Activity.kind.in_(COUNTED),
        )
        .group_by(Activity.connection_id, Activity.owner, Activity.kind)
    )  # fmt: skip
    found: dict[tuple[str, str], dict[Act, int]] = defaultdict(dict)
    for connection_id, owner, kind, count in rows:
        found[connection_id, owner][Act(kind)] = count
    return found


async def _won(
    session: AsyncSession, org_id: str, since: datetime, until: datetime
) -> dict[tuple[str, str], tuple[int, dict[str, int]]]:
    rows = await session.execute(
        select(Deal.connection_id, Deal.owner, Deal.currency, func.count(), *counting.AMOUNTS)
        .where(Deal.org_id == org_id, Deal.status == Status.WON, Deal.closed_at >= since, Deal.closed_at < until)
        .group_by(Deal.connection_id, Deal.owner, Deal.currency)
    )
    found: dict[tuple[str, str], tuple[int, dict[str, int]]] = {}
    for connection_id, owner, currency, count, *amount in rows:
        before, sums = found.get((connection_id, owner), (0, {}))
        found[connection_id, owner] = (before + count, {**sums, currency: counting.whole(*amount)})
    return found


def _main(sums: Sequence[dict[str, int]]) -> str:
    """The currency in which most was won."""
    whole: dict[str, Decimal] = defaultdict(Decimal)
    for one in sums:
        for currency, amount in one.items():
            whole[currency] += money.major(amount, currency)
    return max(whole, key=lambda currency: (whole[currency], currency), default="")


def _salesperson(
    accounts: Sequence[Owner],
    told: dict[str, frozenset[Act]],
    acts: dict[tuple[str, str], dict[Act, int]],
    won: dict[tuple[str, str], tuple[int, dict[str, int]]],
    points: WeightsOut,
    currency: str,
) -> Salesperson:
    keys = [(account.connection_id, account.remote_id) for account in accounts]
    counts = {act: _count(act, keys, told, acts) for act in COUNTED}
    deals = sum(won[key][0] for key in keys if key in won)
    sums: dict[str, int] = defaultdict(int)
    for key in keys:
        for name, amount in won.get(key, (0, {}))[1].items():
            sums[name] += amount
    score = sum((counts[act] or 0) * getattr(points, act.value) for act in COUNTED) + deals * points.won
    score += float(money.major(sums.get(currency, 0), currency) / 1000) * points.amount
    first = accounts[0]
    return Salesperson(
        id=f"{first.connection_id}:{first.remote_id}",
        name=first.name,
        email=first.email,
        active=any(account.active for account in accounts),
        connections=sorted({account.connection_id for account in accounts}),
        calls=counts[Act.CALL],
        emails=counts[Act.EMAIL],
        meetings=counts[Act.MEETING],
        won=deals,
        amounts=queries.in_words(sums),
        score=round(score, 1),
    )


def _count(
    act: Act,
    keys: Sequence[tuple[str, str]],
    told: dict[str, frozenset[Act]],
    acts: dict[tuple[str, str], dict[Act, int]],
) -> int | None:
    telling = [key for key in keys if act in told.get(key[0], frozenset())]
    return sum(acts.get(key, {}).get(act, 0) for key in telling) if telling else None
