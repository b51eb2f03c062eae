"""Bytes into text, as browsers do it: an ISO-8859-1 page means windows-1252, and nothing ever fails."""

import codecs
from functools import lru_cache

# Only codecs that map bytes to characters in linear time: `idna`, `punycode` and the like would not.
_ALLOWED = frozenset(
    ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "big5", "big5hkscs", "gbk", "gb18030", "gb2312"]
    + ["shift_jis", "cp932", "euc_jp", "iso2022_jp", "euc_kr", "cp949", "koi8-r", "koi8-u", "mac-roman", "tis-620"]
    + [f"cp{number}" for number in range(1250, 1259)]
    + [f"iso8859-{number}" for number in range(2, 17)]
)


@lru_cache(maxsize=64)
def codec_of(charset: str) -> str:
    """The codec for a charset label; UTF-8 for one unknown."""
    try:
        name = codecs.lookup(charset.strip().strip("\"'")).name if charset.isascii() else ""
    except (LookupError, ValueError):
        return "utf-8"
    if name in ("iso8859-1", "ascii"):
        return "cp1252" if name == "iso8859-1" else "utf-8"
    return name if name in _ALLOWED else "utf-8"


def decoded(raw: bytes, codec: str = "utf-8") -> str:
    """The text, without null bytes. What is not valid in the declared charset is tried as windows-1252."""
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    return text.replace("\0", "") if "\0" in text else text


def surrogates_replaced(text: str) -> str:
    """Half a character from a `\\ud800` escape cannot be stored anywhere; it becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
