"""What accounts refuses, each with the cure."""

from site2crm.core.errors import Conflict, FieldError, Forbidden, Gone, RateLimited, Unauthorized


class WrongCredentials(Unauthorized):
    code, title = "wrong_credentials", "E-mail or password is wrong"


class TooManyAttempts(RateLimited):
    code, title = "too_many_attempts", "Too many attempts"

    def __init__(self, wait_s: int) -> None:
        seconds = "second" if wait_s == 1 else "seconds"
        super().__init__(f"Too many attempts. Try again in {wait_s} {seconds}.", headers={"Retry-After": str(wait_s)})


class SlugTaken(Conflict):
    code = "slug_taken"

    def __init__(self, slug: str) -> None:
        text = f"“{slug}” is taken. Choose another address."
        super().__init__(text, errors=[FieldError("slug", text)])


class EmailTaken(Conflict):
    code = "email_taken"

    def __init__(self, email: str) -> None:
        text = f"{email} has an account already. Log in with it."
        super().__init__(text, errors=[FieldError("email", text)])


class AlreadyMember(Conflict):
    code = "already_member"

    def __init__(self, email: str) -> None:
        text = f"{email} is in the team already."
        super().__init__(text, errors=[FieldError("email", text)])


class LastOwner(Conflict):
    code, title = "last_owner", "An organisation needs an owner"

    def __init__(self) -> None:
        super().__init__("This is the last owner. Make somebody else an owner first.")


class RoleTooHigh(Forbidden):
    code = "role_too_high"

    def __init__(self, role: str) -> None:
        super().__init__(f"Your own rights do not reach to the role {role}. Ask an owner.")


class InviteGone(Gone):
    code, title = "invite_gone", "This invitation is no longer valid"

    def __init__(self) -> None:
        super().__init__("It was used, withdrawn or is older than 7 days. Ask for a new one.")


class InviteForSomebodyElse(Forbidden):
    code, title = "invite_for_somebody_else", "This invitation is for somebody else"

    def __init__(self, invited: str, signed_in: str) -> None:
        super().__init__(
            f"It was sent to {invited}, and you are logged in as {signed_in}. Log out, then open the link again."
        )
