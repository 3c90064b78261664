"""What lies below a connection: HTTP that is heard in parts of some size, and a transport that is closed gently."""

import asyncio
from typing import TYPE_CHECKING, Any

import h11

from striate.ship.serve.refusal import Refusal

if TYPE_CHECKING:
    from striate.ship.serve.protocol import Timed

LINGER = 5.0  # seconds for the rest of a body whose request was answered early: who is cut off may not see the answer
HEAD, TOO_LARGE = 16_384, 431  # bytes, and what HTTP calls more
CHUNKS, CHUNK = 4_000, 256  # a body of more chunks than these has so many bytes in each, on average


class Connection(h11.Connection):
    """What is said, of which a body in tiny chunks is refused: it would take all of the server's time."""

    refusal: Refusal | None = None
    chunks = size = 0  # of the body

    def next_event(self) -> Any:
        try:
            event = super().next_event()
            if isinstance(event, h11.Request):
                self.chunks = self.size = 0
                if _length(event) > HEAD:  # of headers that come at once h11 counts nothing
                    raise h11.RemoteProtocolError("too large", TOO_LARGE)
        except h11.RemoteProtocolError as error:
            if error.error_status_hint == TOO_LARGE:
                self.refusal = Refusal(TOO_LARGE, f"headers have up to {HEAD:,} bytes together, but these have more")
            raise
        if isinstance(event, h11.Data):
            self.chunks, self.size = self.chunks + event.chunk_start, self.size + len(event.data)
            if self.chunks > CHUNKS and self.size < self.chunks * CHUNK:
                self.refusal = Refusal(
                    400,
                    f"of a body in more than {CHUNKS:,} chunks each has {CHUNK} bytes or more on average, "
                    f"but these {self.chunks:,} have {self.size:,}",
                )
                raise h11.RemoteProtocolError(str(self.refusal))
        return event


def _length(request: h11.Request) -> int:
    """Bytes of a request's first line and its headers, with what stands between them."""
    first = len(request.method) + len(request.target) + len("  HTTP/1.1\r\n")
    return first + sum(len(name) + len(value) + len(": \r\n") for name, value in request.headers)


class Gentle:
    """A transport that is closed so that its client can read the answer.

    Bytes that are never read make the system reset a connection, and what was sent last may be lost. So while a client
    still sends, only the own side is closed, and what comes is thrown away for a while.
    And what is written in one go is sent at once: a call of the system takes as long as all else that an answer needs.
    """

    def __init__(self, transport: asyncio.Transport, connection: "Timed"):
        self.transport, self.connection = transport, connection
        self.closing = False
        self.unsent: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def is_closing(self) -> bool:
        return self.closing or self.transport.is_closing()

    def write(self, data: bytes) -> None:
        if not self.unsent:
            self.connection.loop.call_soon(self._send)
        self.unsent.append(data)

    def _send(self) -> None:
        if self.unsent:
            self.transport.write(b"".join(self.unsent))
            self.unsent = []

    def close(self) -> None:
        self.leave(lingering=self.connection.conn.their_state is h11.SEND_BODY)

    def leave(self, lingering: bool) -> None:
        """Close, at once or when the client has had time to read.

        Parameters
        ----------
        lingering
            whether it may still send
        """
        self._send()
        if self.closing or not lingering or not self.transport.can_write_eof():
            self.end()
            return
        self.closing = True
        self.connection.flow.resume_reading()
        self.transport.write_eof()
        self.connection.lingering = self.connection.loop.call_later(LINGER, self.end)

    def end(self) -> None:
        """Close; a client that does not read what is left would keep a closed connection for good."""
        self._send()
        self.transport.close()
        if self.transport.get_write_buffer_size():
            self.connection.wait_for_reader()
