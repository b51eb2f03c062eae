"""What is said about a kind of CRM and about its refusals, on pages and in the API alike."""

from site2crm.connectors.contract import ErrorClass
from site2crm.connectors.kinds import ConnectorKind, Way
from site2crm.connectors.opening import Checked
from site2crm.connectors.registry import KINDS
from site2crm.core.errors import FieldError


def label(kind: str) -> str:
    return KINDS[kind].label if kind in KINDS else kind


_OF_ALL = (("Nobody has signed in", "Somebody who may give access in the CRM signs in there, with the button below."),)


def cure(kind: str, reason: str) -> str:
    """What to do about a connection that has stopped for this reason."""
    cures = (*_OF_ALL, *KINDS[kind].cures) if kind in KINDS else ()
    return next((text for words, text in cures if words in reason), "Test again.")


def sentence(text: str) -> str:
    plain = text.strip()
    return plain if not plain or plain[-1] in ".!?…" else f"{plain}."


def refusal(kind: ConnectorKind, checked: Checked) -> FieldError:
    """Why a new connection was not saved, at the setting that it is about."""
    passing = checked.error_class in (ErrorClass.RETRY, ErrorClass.THROTTLE)
    what_to_do = "Try again in a few minutes." if passing else cure(kind.name, checked.error)
    text = f"{kind.label} said no: {sentence(checked.error)} {what_to_do} Nothing was saved."
    return FieldError(f"settings.{setting_of(kind, checked)}", text)


def secret_of(kind: ConnectorKind, way: str) -> str:
    """The setting that the rights are those of."""
    return next((field.name for field in kind.fields_of(Way(way)) if field.kind == "secret"), "")


def setting_of(kind: ConnectorKind, checked: Checked) -> str:
    """The CRM seldom says which one: a refused identity is the secret's, all else the address's, if there is one."""
    names = [field.name for field in kind.settings]
    if checked.setting in names:
        return checked.setting
    of_the_secret = checked.error_class in (ErrorClass.REAUTH, ErrorClass.REFRESH)
    fitting = [field.name for field in kind.settings if (field.kind == "secret") == of_the_secret]
    return next(iter([*fitting, *names]), "")
