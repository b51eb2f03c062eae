"""What can go wrong, as types: each has a status, a stable code and a title; services raise them.

`core/web.py` renders them: problem+json (RFC 9457) for the API, a page for browsers, a fragment for htmx.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct


class FieldError(Struct, frozen=True):
    """One field that was refused, and what to write instead."""

    field: str
    message: str


class AppError(Exception):
    """Base of every error that a person can be told about."""

    status = 500
    code = "internal"
    title = "Something went wrong on our side"
    is_for_programs = False
    """Told as problem+json whatever the client says that it accepts."""

    def __init__(
        self, detail: str = "", *, errors: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


class BadRequest(AppError):
    status, code, title = 400, "bad_request", "The request could not be read"


class Unauthorized(AppError):
    status, code, title = 401, "unauthorized", "Sign in or send an API key"


class Forbidden(AppError):
    status, code, title = 403, "forbidden", "Your role does not allow this"


class NotFound(AppError):
    status, code, title = 404, "not_found", "There is nothing here"


class MethodNotAllowed(AppError):
    status, code, title = 405, "method_not_allowed", "This address does not take that method"


class RequestTimeout(AppError):
    status, code, title = 408, "request_timeout", "The request body did not arrive in time"


class Conflict(AppError):
    status, code, title = 409, "conflict", "This clashes with something that is already there"


class Gone(AppError):
    status, code, title = 410, "gone", "This is no longer here"


class TooLarge(AppError):
    status, code, title = 413, "too_large", "The body is too large"


class UnsupportedMedia(AppError):
    status, code, title = 415, "unsupported_media_type", "This content type is not understood here"


class Invalid(AppError):
    status, code, title = 422, "invalid", "Some fields need another value"

    @classmethod
    def field(cls, field: str, message: str) -> "Invalid":
        """An error about exactly one field."""
        return cls(message, errors=[FieldError(field, message)])


class RateLimited(AppError):
    status, code, title = 429, "rate_limited", "Too many requests"


class Unavailable(AppError):
    status, code, title = 503, "unavailable", "Not available at the moment"


class DatabaseBusy(Unavailable):
    code, title = "database_busy", "The database is busy"

    def __init__(self) -> None:
        super().__init__(
            "Another process holds the database. Nothing was changed; try again.", headers={"Retry-After": "5"}
        )


class DatabaseDisk(DatabaseBusy):
    """What holds the database is full, or fails."""

    code, title = "database_disk", "The database cannot be written"

    def __init__(self, why: str) -> None:
        super().__init__()
        self.detail = (
            f"{why} Nothing was changed; it works again as soon as that is mended on the server, without a restart. "
            "Forms and links go on as long as there is space set aside for what they take."
        )


class DatabaseAway(DatabaseBusy):
    code, title = "database_away", "The database does not answer"

    def __init__(self) -> None:
        super().__init__()
        self.detail = (
            "The database does not answer at the moment. Forms and links go on, and what they take is kept and comes "
            "here later. Nothing was changed; try again."
        )


class DatabaseRefused(DatabaseAway):
    """It answers, and says no: a password, a name or a right is wrong. Nothing works until a person has mended it."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why

    def __str__(self) -> str:
        return self.why
