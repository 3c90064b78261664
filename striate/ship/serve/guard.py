"""Who may ask, and what every answer carries: around the application, before it sees a request."""

import asyncio
import hmac
import ipaddress
import re
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from striate.ship.serve.figures import Figures
from striate.ship.serve.logs import Log
from striate.ship.serve.refusal import Refusal
from striate.show.names import printable

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = ("localhost", "127.0.0.1", "::1")
# without a token: whether there is a server, and the page that asks for the token
OPEN = ("/", "/page.css", "/page.js", "/docs", "/healthz", "/readyz", "/v2/health/live", "/v2/health/ready")
POLICY = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
STOPPED = "the server stops, and this request took too long"
GIVEN = re.compile(rb"[\w.-]{1,64}")  # ids that clients may give their requests


class Guard:
    """An application behind checks.

    Parameters
    ----------
    application
        is asked what passes
    host
        that the server is bound to
    names
        that it may be called by, beside its addresses
    token
        that a client must show
    figures, log
        are told of each request
    """

    def __init__(
        self,
        application: Application,
        host: str,
        names: tuple[str, ...],
        token: str | None,
        figures: Figures,
        log: Log,
    ):
        self.application, self.figures, self.log = application, figures, log
        self.names = {*LOOPBACK, host.lower(), *(name.lower() for name in names)}
        self.anywhere = not is_loopback(host)
        if self.anywhere:
            self.names.add(socket.gethostname().lower())
        self.token = sha256(token.encode()).digest() if token else None
        self.stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        begun = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request = given if GIVEN.fullmatch(given) else secrets.token_hex(8).encode()
        told: dict[str, Any] = {}
        scope["state"] = {"told": told, "request": request.decode()}
        status = 0
        asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope  # uvicorn leaves the body out

        async def sending(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                added = [*HEADERS, (b"x-request-id", request)]
                if not any(name == b"content-security-policy" for name, _ in message["headers"]):
                    added.append((b"content-security-policy", POLICY))
                if self.stopping:
                    added.append((b"connection", b"close"))
                message["headers"] = [*message["headers"], *added]
            await send(message)

        try:
            self._check(scope, headers)
            await self.application(asked, receive, sending)
        except Refusal as refusal:
            told["reason"] = str(refusal)
            await refuse(refusal, request.decode(), sending)
        except asyncio.CancelledError:  # the server was told to stop, and waits no longer
            told["reason"] = STOPPED
            if not status:
                await refuse(Refusal(503, STOPPED, 1), request.decode(), sending)
        except Exception as error:
            self.log.failure(error, request_id=request.decode())
            if not status:
                await refuse(Refusal(500, "the server failed; its log says why"), request.decode(), sending)
        finally:
            seconds = time.perf_counter() - begun
            route = getattr(asked.get("route"), "path", "other")
            self.figures.answered(route, status, seconds)
            self.log(
                "request",
                request_id=request.decode(),
                client=(scope["client"] or [""])[0],
                method=scope["method"],
                path=printable(scope["path"], 200),
                status=status,
                ms=round(1000 * seconds, 2),
                **told,
            )

    def _check(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        """A request that a foreign page made a browser send stops here, and so does one without the token."""
        if b"transfer-encoding" in headers and b"content-length" in headers:  # a proxy may have believed the other one
            raise Refusal(400, "a body is chunked or has a Content-Length, but this one has both")
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if not self._own(host):
            raise Refusal(403, f"this server is not called '{printable(host, 200)}'; --name gives it further names")
        origin = headers.get(b"origin")
        if origin is not None and host_of_origin(origin.decode("latin-1").lower()) != host:
            raise Refusal(403, f"requests from pages of '{printable(origin.decode('latin-1'), 200)}' are not answered")
        if self.token and scope["path"] not in OPEN:
            kind, _, shown = headers.get(b"authorization", b"").partition(b" ")
            # sums are compared, so that the time says nothing, not even of the length
            right = hmac.compare_digest(sha256(shown.strip()).digest(), self.token)
            if kind.lower() != b"bearer" or not right:
                raise Refusal(401, "this server wants the header 'Authorization: Bearer TOKEN' with its token")

    def _own(self, host: str) -> bool:
        """Whether the header Host names this server: a page that had its name point here is told apart by it."""
        name = name_of_host(host)
        if name is None:
            return False
        if name in self.names:
            return True
        return self.anywhere and is_address(name)  # names can be made to point anywhere, addresses cannot


async def refuse(refusal: Refusal, request: str, send: Send) -> None:
    """Send a reason."""
    body = refusal.body(request)
    told = {**refusal.headers, "content-length": str(len(body))}
    headers = [(name.encode(), value.encode()) for name, value in told.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def host_of_origin(origin: str) -> str | None:
    """The host and port of an origin, as the header Host would say them."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    return parts.netloc if parts.scheme in ("http", "https") else None


def name_of_host(host: str) -> str | None:
    """The name or address in a header Host, without its port."""
    try:
        parts = urlsplit(f"//{host}")
        return parts.hostname if parts.netloc == host and parts.port != 0 and not parts.username else None
    except ValueError:
        return None


def is_address(name: str) -> bool:
    """Whether a host is given as numbers."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)
