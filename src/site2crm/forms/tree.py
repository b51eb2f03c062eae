"""The tree a body becomes, and its limits."""

Tree = dict[str, "Tree"] | list["Tree"] | str | None

MAX_FIELDS = 1_000  # urlencoded and multipart
MAX_LEAVES = 5_000  # JSON: a long survey repeats its questions beside the answers
MAX_DEPTH = 32  # JSON
MAX_BRACKETS = 8  # a[b][c]...: what lies deeper stays in the key as it was written


class BodyRefused(Exception):
    """A body that cannot be read; `status` is 4xx."""

    def __init__(self, status: int, code: str, *, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field


def plant(tree: dict[str, Tree], key: str, value: str) -> None:
    """Put a posted pair where its brackets say: `a[b]`, `a[]`, a repeated `a` becomes a list."""
    if "[" not in key:
        _put(tree, key, value)
        return
    path, as_item = _path(key)
    here = tree
    for step in path[:-1]:
        below = here.setdefault(step, {})
        if not isinstance(below, dict):
            # `a=1&a[b]=2`: both are kept, the second under the key as posted.
            _put(tree, key, value)
            return
        here = below
    _put(here, path[-1], value, as_item=as_item)


def _put(here: dict[str, Tree], key: str, value: str, *, as_item: bool = False) -> None:
    if key not in here:
        here[key] = [value] if as_item else value
        return
    there = here[key]
    if isinstance(there, list):
        there.append(value)
    elif isinstance(there, dict):
        _put(there, "", value)
    else:
        here[key] = [there, value]


def _path(key: str) -> tuple[list[str], bool]:
    """`a[b][]` -> (["a", "b"], True). Brackets that do not close are part of the name."""
    head, _, rest = key.partition("[")
    if not head or not rest.rstrip().endswith("]"):
        return [key], False
    steps = rest.rstrip()[:-1].split("][", MAX_BRACKETS)
    as_item = steps[-1] == ""
    if as_item:
        steps.pop()
    # `rows[][name]`: an empty step in the middle is one place, so that rows do not run into each other's keys.
    return [head, *steps], as_item
