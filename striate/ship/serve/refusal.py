"""A request that gets no answer, but a reason."""

import json
from http import HTTPStatus

from striate.errors import StriateError


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


def reason_json(reason: str, request: str) -> bytes:
    """The body of a refusal; `error` is where clients of the Open Inference Protocol look.

    Parameters
    ----------
    reason
        a sentence
    request
        its id
    """
    return json.dumps({"error": reason, "request_id": request}).encode()


def phrase(status: int) -> str:
    """How HTTP calls a status.

    >>> phrase(503)
    'Service Unavailable'
    """
    return HTTPStatus(status).phrase
