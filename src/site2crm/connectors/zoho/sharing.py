"""What a call about many people is to each of them: the record of a delivery shows nobody else's data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import msgspec

from site2crm.connectors.contract import Exchange
from site2crm.connectors.wire import json_object
from site2crm.core.http import Response

Body = Mapping[str, object]


class Share(NamedTuple):
    """One person's part: what the call would be for them alone, and what of the answer is theirs."""

    ref: str
    path: str
    body: object
    of: Callable[[Body], object]


def item_share(ref: str, path: str, body: Body, *, key: str, number: int) -> Share:
    """Of a call that writes a list of records."""
    rows = body[key]
    mine = [rows[number]] if isinstance(rows, list) else []
    return Share(ref, path, {**body, key: mine}, partial(_item, key, number))


def rows_share(ref: str, path: str, body: object, *, column: str, value: str) -> Share:
    """Of a call that looks for values or ids."""
    return Share(ref, path, body, partial(_rows, column, value))


def shared_out(
    exchanges: Sequence[Exchange],
    answer: Response | None,
    shares: Sequence[Share],
    shown: Callable[[Share], Exchange],
) -> list[Exchange]:
    """`answer` belongs to the last exchange; those before it were refused as a whole."""
    said = json_object(answer.content) if answer else None
    parts: list[Exchange] = []
    for exchange in exchanges:
        is_last = exchange is exchanges[-1]
        for share in shares:
            alone = shown(share)
            told = share.of(said) if said and is_last else None
            text = exchange.response_body if told is None else msgspec.json.encode(told).decode()
            part = replace(exchange, url=alone.url, request_body=alone.request_body, response_body=text, ref=share.ref)
            parts.append(part)
    return parts


def _item(key: str, number: int, said: Body) -> object:
    """None: the answer is about the whole call."""
    listed = said.get(key)
    return {key: [listed[number]]} if isinstance(listed, list) and number < len(listed) else None


def _rows(column: str, value: str, said: Body) -> object:
    listed = said.get("data")
    if not isinstance(listed, list) or said.get("status") == "error":
        return None
    wanted = value.casefold()
    return {"data": [row for row in listed if isinstance(row, dict) and str(row.get(column)).casefold() == wanted]}
