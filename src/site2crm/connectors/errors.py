"""What can go wrong with connections."""

from collections.abc import Mapping

from site2crm.core.errors import Conflict, Gone, Invalid, NotFound, Unauthorized


class ConnectionNotFound(NotFound):
    code, title = "connection_not_found", "This connection does not exist"


class StillRefused(Conflict):
    code, title = "connection_refused", "The CRM still refuses"


class NotSending(Conflict):
    code, title = "connection_not_sending", "Nothing is sent there now"


class SignInOver(Gone):
    """One text for all that can be wrong with it: a stranger learns nothing."""

    code, title = "sign_in_over", "This sign-in is over"

    def __init__(self) -> None:
        super().__init__(
            "It was used already, is older than ten minutes, or was begun in another browser or by somebody else. "
            "Nothing was changed. Begin it again on the page CRMs."
        )


class NoWayBack(Conflict):
    code, title = "no_way_back", "Nobody could come back from the CRM"


class NotConnected(Invalid):
    """The first test of a new connection failed: nothing was saved.

    `secrets` are those that it was tried with, `made` those of them that we made; neither stands in the text.
    """

    secrets: Mapping[str, str] = {}
    made: Mapping[str, str] = {}


class BadSignature(Unauthorized):
    """What came to a hook does not prove that it is the CRM's."""

    code, title = "bad_signature", "The signature is not right"
    is_for_programs = True
