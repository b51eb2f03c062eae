"""The ways to put a form on a website, ready to copy."""

from html import escape
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from site2crm.forms.fields import Field, FieldType
from site2crm.forms.models import Form

SAMPLE = {
    FieldType.EMAIL: "ada@example.com",
    FieldType.PHONE: "+1 202 555 0143",
    FieldType.NAME: "Ada Sample",
    FieldType.FIRST_NAME: "Ada",
    FieldType.LAST_NAME: "Sample",
    FieldType.COMPANY: "Sample & Sons Ltd",
    FieldType.MESSAGE: "Please call me back.",
}


class Ways(Struct, frozen=True):
    """Everything a form's page offers to copy."""

    hosted_url: str
    frame_url: str
    sample_url: str
    embed: str
    html: str
    curl: str


def of(form: Form, url: str) -> Ways:
    """`url` is the form's public address."""
    fields = msgspec.convert(form.fields, list[Field])
    return Ways(
        hosted_url=url,
        frame_url=f"{url}/frame",
        sample_url=f"{url}/sample",
        embed=f'<script src="{url}/embed.js" async></script>',
        html=_html(fields, url, form.submit_label or "Send"),
        curl=_curl(fields, url),
    )


def _html(fields: list[Field], url: str, submit: str) -> str:
    lines = [f'<form method="post" action="{url}">', *(f"  {_control(field)}" for field in fields)]
    lines.append('  <input name="_gotcha" tabindex="-1" autocomplete="off" hidden>')
    lines += [f"  <button>{escape(submit)}</button>", "</form>"]
    return "\n".join(lines)


def _control(field: Field) -> str:
    name, label = escape(field.name), escape(field.label or field.name)
    required = " required" if field.required else ""
    if field.type is FieldType.HIDDEN:
        return f'<input type="hidden" name="{name}" value="{escape(field.text)}">'
    if field.type is FieldType.CONSENT:
        text = escape(field.text)
        return f'<label><input type="checkbox" name="{name}" value="{text}"{required}> {text}</label>'
    if field.type is FieldType.MESSAGE:
        return f'<label>{label} <textarea name="{name}"{required}></textarea></label>'
    if field.type is FieldType.CHOICE:
        options = "".join(f"<option>{escape(choice)}</option>" for choice in field.choices)
        return f'<label>{label} <select name="{name}"{required}><option></option>{options}</select></label>'
    return f'<label>{label} <input type="{field.type.input_type}" name="{name}"{required}></label>'


def _curl(fields: list[Field], url: str) -> str:
    values = {field.name: _sample(field) for field in fields}
    parts = [f"  -d '{urlencode({name: value}).replace(chr(39), '%27')}'" for name, value in values.items()]
    return " \\\n".join([f"curl {url}", *parts])


def _sample(field: Field) -> str:
    if field.type is FieldType.CHOICE:
        return field.choices[0]
    return field.text or SAMPLE.get(field.type, "Sample")
