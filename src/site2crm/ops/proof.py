"""Who answers at an address: `/livez?challenge=...` says something that only an installation with our key can say.

Nodes that share their records share the key too, so any of them may answer. The key itself is not told, and nothing
else is made with a key derived for this purpose.
"""

import hmac
import secrets

from site2crm.core.config import Settings
from site2crm.core.crypto import Vault

_PURPOSE = "livez"


def answer(vault: Vault, challenge: str) -> str:
    return vault.mac(_PURPOSE, challenge)


class Challenge:
    """Of one question; right under a key that was used before, too: the server may not have been restarted since."""

    def __init__(self, settings: Settings) -> None:
        keys = settings.keys()
        self.text = secrets.token_hex(16)
        self._right = Vault(keys.current, keys.previous).macs(_PURPOSE, self.text)

    def is_met_by(self, told: bytes) -> bool:
        return any(hmac.compare_digest(told, f"ok {mac}".encode()) for mac in self._right)
