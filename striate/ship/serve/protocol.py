"""HTTP/1.1 with time limits: uvicorn's protocol, to which each connection has a deadline for all that it may wait for.

uvicorn itself waits for headers and bodies without an end, so that a few silent sockets could hold all of its places.
"""

import asyncio
import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from striate.ship.serve.crowd import WORTHY, Crowd
from striate.ship.serve.gentle import HEAD, LINGER, Connection, Gentle
from striate.ship.serve.guard import HEADERS, POLICY
from striate.ship.serve.limits import Limits
from striate.ship.serve.refusal import Refusal

IDLE = 15.0  # seconds that a connection may be silent between two requests
GRACE = 0.5  # seconds in which a request may still come in that was on its way when the server was told to stop
WRITING = 30.0  # seconds that a client may take before it goes on reading
SLOW = 5.0  # seconds after which a body that still comes makes room, when there are too many connections
SURPLUS = 10  # times the bytes of a body that are thrown away, so that its client may read why
BESIDE = 100  # connections beyond the limit that may still read why they are turned away


class Timed(H11Protocol):
    """A connection.

    Parameters
    ----------
    limits
        how long to wait
    tell
        is told what a connection was closed for, and the id in its answer
    crowd
        of all connections of a server
    """

    conn: Connection

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: Limits,
        tell: Callable[[str, str], None],
        crowd: Crowd,
    ):
        super().__init__(config, server_state, app_state, _loop)
        self.conn = Connection(h11.SERVER, HEAD)
        self.limits, self.tell, self.crowd = limits, tell, crowd
        self.seconds = {"headers": limits.header_seconds, "body": limits.body_seconds, "rest": LINGER, "idle": IDLE}
        self.phase: tuple[str, object] | None = None  # what is waited for, and of which request
        self.timer: asyncio.TimerHandle | None = None
        self.unread: asyncio.TimerHandle | None = None  # runs while the client does not read
        self.lingering: asyncio.TimerHandle | None = None  # runs while it may read why it was refused
        self.surplus = 0  # bytes that came after the answer
        self.stopping = False
        self.since = self.loop.time()  # when it began to be what it is now

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = Gentle(transport, self)  # type: ignore[assignment]
        if len(self.connections) > self.limits.connections:
            least = self.crowd.cheapest(self)
            least.refuse(Refusal(503, "the server has too many connections; try again in 1 second", 1), "crowd")
            if least.unread:  # what it does not read would keep its place
                least.transport.abort()
            if least is self:
                return
        self._retime()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        for timer in (self.timer, self.unread, self.lingering):
            if timer:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing() or self._answered_early():  # what still comes is thrown away
            self.surplus += len(data)
            if self.surplus > SURPLUS * self.limits.bytes:
                self.tell("surplus", "")
                self.transport.abort()
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._retime()

    def on_response_complete(self) -> None:
        self.surplus = 0
        super().on_response_complete()
        self._unset_keepalive_if_required()  # of uvicorn, which any bytes end
        self._retime()

    def eof_received(self) -> None:
        """Its client sends no more: it goes, or is about to."""
        self.transport.end()  # type: ignore[attr-defined]

    @property
    def answered(self) -> bool:
        """Whether no request is underway here, or just its headers."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def worth(self) -> int:
        """How much it would cost to close this connection; those below WORTHY make room for others."""
        now = self.loop.time()
        if self.unread and self.unread.when() < now + WRITING - SLOW:
            return 1
        if self.transport.is_closing():
            return -1 if self.lingering else WORTHY
        if self.answered:
            return 0 if self.conn.their_state in (h11.IDLE, h11.DONE) else 1
        slow = self.phase is not None and self.phase[0] == "body" and self.since < now - SLOW
        return 2 if slow else WORTHY

    def _answered_early(self) -> bool:
        return bool(self.cycle) and self.answered and self.conn.their_state is h11.SEND_BODY

    def _retime(self) -> None:
        """Give the connection a deadline for what it now waits for; one that runs already is not put off."""
        if self.transport.is_closing():
            phase = None
        elif self.conn.their_state is h11.SEND_BODY:
            phase = "rest" if self._answered_early() else "body", self.cycle
        elif self.conn.their_state is h11.IDLE and (self.cycle is None or self.conn.trailing_data[0]):
            phase = "headers", self.cycle
        elif self.conn.their_state is h11.IDLE:
            phase = "idle", self.cycle
        else:
            phase = None
        if phase == self.phase:
            return
        if self.timer:
            self.timer.cancel()
        self.phase, self.timer, self.since = phase, None, self.loop.time()
        if phase:
            seconds = self.seconds[phase[0]]
            if self.stopping and phase[0] == "headers":
                seconds = GRACE
            self.timer = self.loop.call_later(seconds, self._late, phase[0], seconds)

    def _late(self, what: str, seconds: float) -> None:
        self.timer = None
        if self.transport.is_closing():
            return
        if what == "idle":
            self.transport.close()
        elif what == "rest" or (what == "headers" and not self.conn.trailing_data[0]):
            self.tell("silent" if what == "headers" else what, "")
            self.transport.close()
        else:
            late = f"a request's {what} must come within {seconds:g} seconds, but did not"
            self.refuse(Refusal(408, late), what)

    def refuse(self, refusal: Refusal, why: str) -> None:
        """Answer instead of the application, and close.

        Parameters
        ----------
        refusal
            the answer
        why
            what is counted
        """
        request = secrets.token_hex(8)
        self.tell(why, request)
        theirs = self.conn.their_state
        asks = self.cycle is None or not self.answered or theirs is h11.ERROR
        asks = asks or bool(self.conn.trailing_data[0] or self.conn.refusal)
        if asks and self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = refusal.body(request)
            own = {**refusal.headers, "content-length": str(len(body)), "x-request-id": request, "connection": "close"}
            headers = [*own.items(), *HEADERS, (b"content-security-policy", POLICY)]
            status = HTTPStatus(refusal.status)
            response = h11.Response(status_code=status, headers=headers, reason=status.phrase.encode())
            bodiless = not self.answered and self.scope["method"] == "HEAD"
            for event in (response, *([] if bodiless else [h11.Data(data=body)]), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        if not self.answered:  # its application need not go on
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        room = len(self.connections) <= self.limits.connections + BESIDE
        unfinished = asks and theirs in (h11.IDLE, h11.SEND_BODY, h11.ERROR)
        self.transport.leave(lingering=room and unfinished)  # type: ignore[attr-defined]

    def send_400_response(self, msg: str) -> None:
        """What uvicorn answers to what is no HTTP."""
        usual = Refusal(400, "the request is no HTTP/1.1 that can be understood")
        self.refuse(self.conn.refusal or usual, "malformed")

    def _unsupported_upgrade_warning(self) -> None:
        """No other protocol is spoken, and the request is answered in this one; uvicorn would advise libraries."""

    def shutdown(self) -> None:
        """The server stops: what was begun is finished, and then the connection is closed."""
        self.stopping = True
        if self.lingering:
            self.loop.call_later(GRACE, self.transport.end)  # type: ignore[attr-defined]
        elif not self.answered:
            self.cycle.keep_alive = False
        elif self.worth == 0:  # a request may be on its way
            self._unset_keepalive_if_required()
            self.loop.call_later(GRACE, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self.answered and not self.transport.is_closing():
            if self.conn.their_state is h11.SEND_BODY or self.conn.trailing_data[0]:
                return  # its own deadline closes it
            self.transport.close()

    def handle_events(self) -> None:
        super().handle_events()
        if self.stopping and not self.answered:
            self.cycle.keep_alive = False

    def pause_writing(self) -> None:
        super().pause_writing()
        self.wait_for_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.unread and not self.transport.is_closing():
            self.unread.cancel()
            self.unread = None

    def wait_for_reader(self) -> None:
        """Give the client a deadline for reading what is left."""
        if not self.unread:
            self.unread = self.loop.call_later(WRITING, self._unread)

    def _unread(self) -> None:
        self.tell("unread", "")
        self.transport.abort()
