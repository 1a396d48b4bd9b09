"""What a host says when it does not do what it is asked, in OpenAI's shape of errors: clients act on code and wording."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """status: HTTP's. message: what to do instead. code: what programs look for, or None. param: the field."""

    def __init__(
        self, message: str, *, status: int = 400, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.param = param

    def body(self) -> dict[str, Any]:
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def too_long(used: int, window: int) -> Refused:
    """The wording from which clients recover (OpenAI's). used: tokens of the input."""
    return Refused(
        f"This model's maximum context length is {window} tokens. However, your messages resulted in {used} tokens."
        " Please reduce the length of the messages.",
        code="context_length_exceeded",
        param="messages",
    )


class ClientLeft(Exception):
    """Nobody waits for the answer any more."""
