"""One record of the journal's `events` stream: what a request knew, already without the address it came from.

The request only copies; reading the user agent, the referrer and the UTMs is the pump's work. Written as an array, so
new fields go to the end, with a default: records of an older version stay readable.
"""

import msgspec
from msgspec import Struct

VERSION = 1
NO_UTM = ("", "", "", "", "")

HEAD = "head"
PREFETCH = "prefetch"

USER_AGENT_MAX = 400
LANGUAGE_MAX = 35
REFERRER_MAX = 400
PATH_MAX = 400
QUERY_MAX = 800
"""Characters that are kept; the writer cuts, so that one click stays below two pages."""


class EventFrame(Struct, array_like=True, gc=False, kw_only=True):
    """Texts are strings without surrogates (headers decoded as latin-1); what is not known is empty."""

    version: int = VERSION
    kind: str = "click"
    id: str
    """Of this event: `clk_...`."""
    ts: float
    """Seconds since 1970."""
    org: str
    link: str = ""
    domain: str = ""
    form: str = ""
    campaign: str = ""
    variant: str = ""
    visitor: str = ""
    """What `Visitors.hash` gave."""
    country: str = ""
    region: str = ""
    city: str = ""
    user_agent: str = ""
    language: str = ""
    """Accept-Language as sent."""
    referrer: str = ""
    """The whole address as sent."""
    path: str = ""
    query: str = ""
    """The request's own query string, without "?"."""
    utm: tuple[str, str, str, str, str] = NO_UTM
    """source, medium, campaign, term, content: those in effect, where the link has some; else the query is read."""
    flags: str = ""
    """Why it counts apart, as far as the request says: HEAD, PREFETCH or nothing."""
    qr: str = ""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(EventFrame)

encode = _encoder.encode
"""EventFrame -> bytes, 1 us."""

decode = _decoder.decode
"""bytes -> EventFrame; raises msgspec.MsgspecError for what is no frame."""
