"""A form as the text that would declare it: to be pasted into the configuration file, which takes it over."""

import msgspec

from site2crm.core.config_text import key_of, literal
from site2crm.forms.fields import Field
from site2crm.forms.models import Form
from site2crm.forms.service import FormIn


def as_toml(form: Form) -> str:
    """Below the `[[orgs]]` of its org. With its id, so that no second one is made."""
    lines = [("key", key_of(form.name)), ("id", form.id)]
    written = "\n".join(f"{name} = {literal(value)}" for name, value in [*lines, *_values(form)])
    return f"[[orgs.forms]]\n{written}\nfields = [\n{_fields(form)}]\n"


def _values(form: Form) -> list[tuple[str, object]]:
    """What is not as it would be anyway."""
    named = [field.name for field in msgspec.structs.fields(FormIn) if field.name != "fields"]
    return [(name, getattr(form, name)) for name in named if getattr(form, name)]


def _fields(form: Form) -> str:
    asked = msgspec.convert(form.fields, list[Field])
    return "".join(f"  {literal(msgspec.to_builtins(field))},\n" for field in asked)
