"""Odd values for every operation that the API describes: what comes back is never a 5xx, and is what was described."""

import random
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.cast import Person
from tests.security.world import World, get

EXAMPLES = 12
"""For each operation."""
ODD_TEXT = (
    "",
    " ",
    "\x00",
    "a\x00b",
    "x" * 5000,
    "é\u202e\u2066",
    "%s%n",
    "' OR 1=1 --",
    "../../x",
    "{{7*7}}",
    "-1",
    "null",
    "\U0001f4a9",
    "\uffff",
)
ODD_NUMBERS = (0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**30, 0.5, -0.0, 1e308)
text = st.one_of(st.sampled_from(ODD_TEXT), st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
number = st.one_of(st.sampled_from(ODD_NUMBERS), st.integers(), st.floats(allow_nan=False, allow_infinity=False))
scalar = st.one_of(text, number, st.booleans(), st.none())
anything: st.SearchStrategy[Any] = st.recursive(
    scalar, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(text, inner, max_size=3)), max_leaves=6
)


class Described:
    """The API's own description, as strategies."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                yield method.upper(), path, operation

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        reference = schema.get("$ref")
        return self.document["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema

    def body(self, operation: dict[str, Any]) -> st.SearchStrategy[Any]:
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" not in content:
            return st.just(None)
        return st.one_of(self.value(content["application/json"]["schema"], 3), anything)

    def value(self, schema: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
        """Mostly the right shape with odd things in it: so that it gets past the parser."""
        schema = self.resolved(schema)
        if depth == 0:
            return anything
        for union in ("oneOf", "anyOf"):
            if union in schema:
                return st.one_of(*[self.value(each, depth - 1) for each in schema[union]])
        if "enum" in schema:
            return st.one_of(st.sampled_from(schema["enum"]), scalar)
        if "properties" in schema:
            fields = {name: self.value(each, depth - 1) for name, each in schema["properties"].items()}
            needed = {name: fields.pop(name) for name in schema.get("required", []) if name in fields}
            return st.fixed_dictionaries(needed, optional=fields)
        kind = schema.get("type")
        if kind == "array":
            return st.lists(self.value(schema.get("items", {}), depth - 1), max_size=3)
        if kind == "object":
            inner = schema.get("additionalProperties")
            return st.dictionaries(
                text, self.value(inner, depth - 1) if isinstance(inner, dict) else scalar, max_size=3
            )
        return {"string": text, "integer": number, "number": number, "boolean": st.booleans()}.get(str(kind), scalar)

    def query(self, operation: dict[str, Any]) -> st.SearchStrategy[dict[str, str]]:
        names = [each["name"] for each in operation.get("parameters", []) if each["in"] == "query"]
        values = st.one_of(text, number.map(str))
        return st.fixed_dictionaries({}, optional=dict.fromkeys(names, values))


def _draws(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """A fixed set of examples: the calls are asynchronous, so they are made outside of hypothesis."""
    drawn: list[Any] = []

    @settings(
        max_examples=count, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(strategy)
    def draw(value: Any) -> None:
        drawn.append(value)

    draw()
    return drawn


async def test_no_odd_value_is_an_error_of_ours(world: World) -> None:
    owner = world.acme.owner
    key_id = (await get(owner, "/api/v1/me"))["key_id"]
    described = Described((await owner.api.get("/api/v1/openapi.json")).json())
    wrong: list[str] = []
    operations = list(described.operations())
    random.Random(7).shuffle(operations)
    for method, path, operation in operations:
        if method == "DELETE":
            continue
        cases = _draws(st.tuples(described.query(operation), described.body(operation)), EXAMPLES)
        for query, body in cases:
            world.instance.machine.limits.forget(f"key {key_id}")
            wrong += await _judged(owner, world, method, path, query, body, operation)
    assert not wrong, "\n".join(wrong[:30])
    assert len(operations) > 30


async def _judged(
    owner: Person, world: World, method: str, path: str, query: dict[str, str], body: Any, operation: dict[str, Any]
) -> list[str]:
    url = path.format(**world.acme.ids)
    request = {"json": body} if "requestBody" in operation else {}
    answer = await owner.api.request(method, url, params=query, **request)
    said = f"{method} {url} {query} {str(body)[:200]} -> {answer.status_code} {answer.text[:160]}"
    if answer.status_code >= 500:
        return [said]
    if answer.status_code >= 400 and answer.headers["content-type"] != "application/problem+json":
        return [f"not a problem: {said}"]
    if answer.status_code < 400 and str(answer.status_code) not in operation["responses"]:
        return [f"not described: {said}"]
    return []
