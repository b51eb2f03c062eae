"""Making and changing forms."""

import secrets
from collections.abc import Callable
from typing import Annotated, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import revisions
from site2crm.core.db import in_org
from site2crm.core.declared import books
from site2crm.core.errors import FieldError, Invalid
from site2crm.core.events import emit
from site2crm.forms import fields as form_fields
from site2crm.forms.errors import FormNotFound
from site2crm.forms.events import FormArchived, FormCreated
from site2crm.forms.fields import Field
from site2crm.forms.models import Form
from site2crm.forms.registry import CACHE
from site2crm.kit import clock, countries, ids, urls

KEY_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
KEY_LENGTH = 12
T = TypeVar("T")

OUR_FIELDS = ("email", "first_name", "last_name", "name", "phone", "company", "message")

Name = Annotated[str, Meta(min_length=1, max_length=120)]


class FormIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """A new form. Fields left out: the usual five."""

    name: Name
    fields: list[Field] | UnsetType = UNSET
    allowed_origins: list[str] = []
    redirect_url: str = ""
    thanks_text: Annotated[str, Meta(max_length=2000)] = ""
    submit_label: Annotated[str, Meta(max_length=60)] = ""
    field_map: dict[str, str] = {}
    country: str = ""


class FormPatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """What is to change; merge patch: what is absent stays, null clears."""

    name: Name | UnsetType = UNSET
    fields: list[Field] | UnsetType = UNSET
    allowed_origins: list[str] | None | UnsetType = UNSET
    redirect_url: str | None | UnsetType = UNSET
    thanks_text: Annotated[str, Meta(max_length=2000)] | None | UnsetType = UNSET
    submit_label: Annotated[str, Meta(max_length=60)] | None | UnsetType = UNSET
    field_map: dict[str, str] | None | UnsetType = UNSET
    country: str | None | UnsetType = UNSET


def draft(org_id: str, data: FormIn) -> Form:
    """A form that is not saved yet. Raises Invalid naming every field that does not fit."""
    now = clock.now()
    form = Form(
        id=ids.new("frm"),
        org_id=org_id,
        key="".join(secrets.choice(KEY_ALPHABET) for _ in range(KEY_LENGTH)),
        created_at=now,
    )
    wanted = form_fields.STARTER if data.fields is UNSET else data.fields
    _apply(
        form,
        FormPatch(
            name=data.name,
            fields=wanted,
            allowed_origins=data.allowed_origins,
            redirect_url=data.redirect_url,
            thanks_text=data.thanks_text,
            submit_label=data.submit_label,
            field_map=data.field_map,
            country=data.country,
        ),
    )
    return form


async def create(session: AsyncSession, org_id: str, data: FormIn) -> Form:
    """Raises Invalid naming every field that does not fit."""
    form = draft(org_id, data)
    session.add(form)
    await session.flush()
    await revisions.bump(session, CACHE)
    await emit(session, FormCreated(org_id=org_id, form_id=form.id))
    return form


async def change(session: AsyncSession, org_id: str, form_id: str, *, patch: FormPatch) -> Form:
    """Raises Invalid; DeclaredInFile if the configuration file has the say about something that would change."""
    form = await get(session, org_id, form_id)
    before = {name: getattr(form, name) for name in FormPatch.__struct_fields__}
    _apply(form, patch)
    await books.expect_free(session, form_id, [name for name, was in before.items() if getattr(form, name) != was])
    return await _changed(session, form)


async def declare(session: AsyncSession, org_id: str, form_id: str, *, patch: FormPatch) -> Form:
    """As `change`, by the configuration file itself; an archived one takes submissions again."""
    form = await get(session, org_id, form_id)
    _apply(form, patch)
    form.archived_at = None
    return await _changed(session, form)


async def _changed(session: AsyncSession, form: Form) -> Form:
    await session.flush()
    await revisions.bump(session, CACHE)
    return form


async def archive(session: AsyncSession, org_id: str, form_id: str) -> Form:
    """It takes no more submissions; what it brought stays."""
    form = await get(session, org_id, form_id)
    await books.expect_free(session, form_id, ["archive"])
    form.archived_at = form.archived_at or clock.now()
    await session.flush()
    await revisions.bump(session, CACHE)
    await emit(session, FormArchived(org_id=org_id, form_id=form.id))
    return form


async def restore(session: AsyncSession, org_id: str, form_id: str) -> Form:
    form = await get(session, org_id, form_id)
    form.archived_at = None
    await session.flush()
    await revisions.bump(session, CACHE)
    return form


async def get(session: AsyncSession, org_id: str, form_id: str) -> Form:
    form = await session.scalar(in_org(Form, org_id).where(Form.id == form_id))
    if form is None:
        raise FormNotFound
    return form


def _apply(form: Form, patch: FormPatch) -> None:
    refused: list[FieldError] = []
    values = {
        "name": patch.name if patch.name is UNSET else patch.name.strip(),
        "fields": patch.fields if patch.fields is UNSET else _checked_fields(patch.fields, refused),
        "allowed_origins": _or_empty(patch.allowed_origins, lambda given: _origins(given, refused), []),
        "redirect_url": _or_empty(patch.redirect_url, lambda given: _redirect(given, refused), ""),
        "thanks_text": _or_empty(patch.thanks_text, str.strip, ""),
        "submit_label": _or_empty(patch.submit_label, str.strip, ""),
        "field_map": _or_empty(patch.field_map, lambda given: _field_map(given, refused), {}),
        "country": _or_empty(patch.country, lambda given: _country(given, refused), ""),
    }
    if values["name"] == "":
        refused.append(FieldError("name", "Give the form a name."))
    if refused:
        raise Invalid(refused[0].message, errors=refused)
    for name, value in values.items():
        if value is not UNSET:
            setattr(form, name, value)
    form.updated_at = clock.now()


def _or_empty(given: T | None | UnsetType, read: Callable[[T], object], empty: object) -> object:
    if given is UNSET or isinstance(given, UnsetType):
        return UNSET
    return empty if given is None else read(given)


def _checked_fields(fields: list[Field], refused: list[FieldError]) -> object:
    try:
        return msgspec.to_builtins(form_fields.checked(fields))
    except Invalid as invalid:
        refused.extend(invalid.errors)
        return UNSET


def _origins(given: list[str], refused: list[FieldError]) -> list[str]:
    found: list[str] = []
    for number, text in enumerate(given):
        origin = urls.origin(text.strip().replace("*.", "wildcard-", 1))
        if origin is None:
            refused.append(
                FieldError(f"allowed_origins[{number}]", f"{text[:100]!r}: write it like https://www.example.com.")
            )
        else:
            found.append(origin.replace("wildcard-", "*.", 1))
    return sorted(set(found))


def _redirect(given: str, refused: list[FieldError]) -> str:
    text = given.strip()
    if text and not urls.is_http_url(text):
        refused.append(FieldError("redirect_url", "A whole address, such as https://www.example.com/thanks."))
    return text


def _field_map(given: dict[str, str], refused: list[FieldError]) -> dict[str, str]:
    for source, target in given.items():
        if target not in OUR_FIELDS:
            refused.append(FieldError(f"field_map.{source}", f"One of: {', '.join(OUR_FIELDS)}."))
    return given


def _country(given: str, refused: list[FieldError]) -> str:
    text = given.strip().upper()
    if text and text not in countries.NAMES:
        refused.append(FieldError("country", "A country's two letters, such as US or DE."))
    return text
