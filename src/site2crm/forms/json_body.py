"""JSON as websites send it: numbers stay the text they were (ids, phones), the last of duplicate keys counts."""

import json

import msgspec

from site2crm.forms.charsets import decoded, surrogates_replaced
from site2crm.forms.tree import MAX_DEPTH, MAX_LEAVES, BodyRefused, Tree

# bool is an int, so msgspec's own decoding would be enough but for floats: `1.10` must not become 1.1.
_DECODER: msgspec.json.Decoder[object] = msgspec.json.Decoder(float_hook=str)


def parse(raw: bytes, codec: str = "utf-8") -> Tree:
    """The tree of a JSON body; 400 if it is malformed or deeper than anything a form sends."""
    try:
        value = _DECODER.decode(raw) if codec == "utf-8" else _leniently(decoded(raw, codec))
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = _leniently(_with_mark_read(raw, codec))
    except RecursionError:
        raise _too_deep() from None
    return _tidied(value, [MAX_LEAVES], 0)


def parse_text(text: str) -> Tree | None:
    """JSON inside a field of another body; None if it is not."""
    try:
        return parse(text.encode("utf-8", "replace"))
    except BodyRefused:
        return None


def _with_mark_read(raw: bytes, codec: str) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        codec = "utf-16"
    return decoded(raw, codec).removeprefix("\ufeff")


def _leniently(text: str) -> object:
    """Templates filled in by hand send raw newlines inside strings, NaN, half characters: all readable."""
    try:
        return json.loads(text.removeprefix("\ufeff"), strict=False, parse_int=str, parse_float=str, parse_constant=str)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        where = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise BodyRefused(400, "malformed-json", detail=f"The body is not valid JSON{where}.") from None


def _tidied(value: object, left: list[int], depth: int) -> Tree:
    """Every scalar as clean text; `left` counts down over the whole body."""
    if isinstance(value, str):
        return _clean(value)
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        if depth >= MAX_DEPTH:
            raise _too_deep()
        left[0] -= len(value)
        if left[0] < 0:
            raise BodyRefused(413, "too-many-fields", detail=f"The body has more than {MAX_LEAVES:,} values.")
        if isinstance(value, dict):
            return {_clean(key): _tidied(below, left, depth + 1) for key, below in value.items()}
        return [_tidied(below, left, depth + 1) for below in value]
    return _number(value)


def _number(value: object) -> str:
    try:
        return str(value)
    except ValueError:  # Python refuses to print integers above 4,300 digits
        raise BodyRefused(400, "malformed-json", detail="The body holds a number of thousands of digits.") from None


def _clean(text: str) -> str:
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    try:
        text.encode()
    except UnicodeEncodeError:
        text = surrogates_replaced(text)
    return text.replace("\0", "") if "\0" in text else text


def _too_deep() -> BodyRefused:
    return BodyRefused(400, "too-deep", detail=f"The JSON is nested deeper than {MAX_DEPTH} levels.")
