"""uvicorn with time limits, which finishes what it has accepted before it stops."""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EACCES, EADDRINUSE
from functools import partial
from math import ceil

from uvicorn import Config, Server

from striate.errors import StriateError
from striate.ship.serve.crowd import Crowd
from striate.ship.serve.guard import Guard
from striate.ship.serve.limits import Limits
from striate.ship.serve.protocol import Timed

ENDS = signal.SIGTERM, signal.SIGINT, signal.SIGHUP  # the last where a terminal is closed
BACKLOG = 2048  # connections that the system holds until they are let in
AT_ONCE = 32  # that are let in before any is looked at: each is an open file
SETTLE = 0.2  # seconds in which whoever connected before the end is let in


@contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket at that address, which no client can connect to yet.

    Parameters
    ----------
    host
        a name or address of this machine
    port
        0 is any that is free
    """
    if not 0 <= port < 2**16:  # the system would take the rest of a division
        raise StriateError(f"a port is 0 to 65,535, but is {port}")
    with _listening(host, port):
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with _listening(host, port):
            listener.bind(address)
        yield listener


@contextmanager
def _listening(host: object, port: object) -> Iterator[None]:
    """Tell why an address cannot be listened on."""
    try:
        yield
    except UnicodeError as error:  # of a name that cannot be asked for, such as one of dots alone
        raise StriateError(f"a server listens on an address, or a name that has one, but not on {host!r}") from error
    except OSError as error:
        free = "; --port 0 takes any port that is free" if error.errno in (EADDRINUSE, EACCES) else ""
        raise StriateError(f"the server cannot listen on {host}, port {port}: {error.strerror}{free}") from error


class Draining(Server):
    """A server that answers what it has accepted.

    Parameters
    ----------
    guard
        the application
    limits
        of time and connections
    tell
        is told what a connection was closed for
    started
        is called when it listens
    """

    def __init__(self, guard: Guard, limits: Limits, tell: Callable[[str, str], None], started: Callable[[], None]):
        self.guard, self.when_started = guard, started
        config = Config(
            guard,  # type: ignore[arg-type]
            http=partial(Timed, limits=limits, tell=tell, crowd=Crowd()),  # type: ignore[arg-type]
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=AT_ONCE,
            timeout_graceful_shutdown=ceil(limits.drain_seconds),
        )
        super().__init__(config)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        assert sockets
        with _listening(*sockets[0].getsockname()[:2]):  # another server may have been faster since it was bound
            await super().startup(sockets)
        sockets[0].listen(BACKLOG)
        self.when_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.guard.stopping = True
        await asyncio.sleep(SETTLE)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End by returning: a server that was told to stop and did so has not failed."""
        loop = asyncio.get_running_loop()
        for number in ENDS:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in ENDS:
                loop.remove_signal_handler(number)
