"""What an outgoing call brings back, and how it fails. Callers find all of it in `core/http.py`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from site2crm.core.addresses import Refusal

Resolver = Callable[[str], Sequence[str]]


class OutboundError(Exception):
    """An outgoing call brought no answer that can be used."""


class OutboundTimeout(OutboundError):
    """The name service, the connection or the whole answer took too long."""


class OutboundFailed(OutboundError):
    """No such name, connection refused or reset, TLS failure, half an answer."""


class ResponseTooLarge(OutboundError):
    """The decoded body passed the cap. The status is known all the same."""

    def __init__(self, limit: int, status: int) -> None:
        super().__init__(f"The answer (status {status}) is larger than {limit:,} bytes.")
        self.status = status


class AddressRefused(OutboundError):
    """The target is not on the public internet, or is written in a way that hides where it is."""

    def __init__(self, reason: str, line: str | None = None) -> None:
        hint = f" To allow it, the operator adds to site2crm.toml: {line}" if line else ""
        super().__init__(f"Refused: {reason}.{hint}")
        self.line = line

    @classmethod
    def from_refusal(cls, refusal: Refusal) -> "AddressRefused":
        return cls(refusal.reason, f'[outbound] allow_private = ["{refusal.entry}"]' if refusal.entry else None)


@dataclass(frozen=True)
class Response:
    """A complete answer; a redirect is an answer like any other. The names of `headers` are found in any case."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    elapsed_ms: int
