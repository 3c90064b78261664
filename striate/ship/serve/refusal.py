"""A request that gets no answer, but a reason."""

import json
from typing import Any

from pydantic import BaseModel

from striate.errors import StriateError

REASONS = {
    400: "The body is not what it is said to be",
    401: "The token is missing or wrong",
    403: "The request comes from a foreign page, or calls the server by a foreign name",
    404: "There is no such model",
    408: "The body came too slowly",
    413: "The body is too large, or holds too many pictures or numbers",
    415: "The body is of a kind that is not read",
    422: "A picture or a parameter cannot be used",
    503: "The server is busy or stops: the header Retry-After says when to try again",
}


class Reason(BaseModel):
    """Why there is no answer."""

    error: str
    request_id: str


def reasons(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the description of an address says of its refusals."""
    return {status: {"model": Reason, "description": REASONS[status]} for status in statuses}


class Refusal(StriateError):
    """Why a request is not answered.

    Parameters
    ----------
    status
        of HTTP
    reason
        the rule, what was received, and what would work
    after
        seconds after which it may be tried again
    """

    def __init__(self, status: int, reason: str, after: int | None = None):
        super().__init__(reason)
        self.status, self.after = status, after

    @property
    def headers(self) -> dict[str, str]:
        """Its own, beside those of every answer."""
        headers = {"content-type": "application/json"}
        if self.after is not None:
            headers["retry-after"] = str(self.after)
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        if self.status in (400, 413):  # what is too much, or of unknown length, is not read to its end
            headers["connection"] = "close"
        return headers

    def body(self, request: str) -> bytes:
        """JSON; `error` is where clients of the Open Inference Protocol look."""
        return json.dumps({"error": str(self), "request_id": request}).encode()
