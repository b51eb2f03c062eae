"""Which passwords may be chosen: long enough and not everybody's first guess. No rules about kinds of characters."""

from collections.abc import Sequence

from site2crm.accounts.common_passwords import COMMON
from site2crm.core import crypto
from site2crm.core.errors import Invalid

LONGEST = 512


async def hashed(password: str, *, minimum: int, like: Sequence[str] = (), field: str = "password") -> str:
    """The hash of an acceptable password; call it before anything is written. `like`: what it must not equal.

    Raises Invalid for `field`.
    """
    check(password, minimum=minimum, like=like, field=field)
    return await crypto.hash_password(password)


def check(password: str, *, minimum: int, like: Sequence[str] = (), field: str = "password") -> None:
    if len(password) < minimum:
        raise Invalid.field(field, f"At least {minimum} characters. A few words in a row are easy to remember.")
    if len(password) > LONGEST:
        raise Invalid.field(field, f"At most {LONGEST} characters.")
    plain = password.casefold()
    if plain in COMMON or len(set(plain)) < 3:
        raise Invalid.field(field, "Everybody tries this one first. Choose another.")
    if plain in {word.casefold() for word in like}:
        raise Invalid.field(field, "This is your own name or address. Choose another.")
