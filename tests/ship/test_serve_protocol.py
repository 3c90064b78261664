"""A connection whose client does not read is closed, however little is left to send; who is slow is heard."""

import asyncio
import socket

import h11
import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from striate.ship.serve import protocol
from striate.ship.serve.crowd import Crowd
from striate.ship.serve.gentle import Connection
from striate.ship.serve.limits import Limits

ASKED = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"


async def much(scope, receive, send):
    """More than these sockets hold, less than what stops a writer."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"50000")]})
    await send({"type": "http.response.body", "body": bytes(50_000)})


@pytest.mark.parametrize("half", [False, True], ids=["open", "half closed"])
@pytest.mark.parametrize("asked", [ASKED, ASKED.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"), 9 * ASKED])
def test_who_does_not_read_is_closed(monkeypatch, asked, half):
    monkeypatch.setattr(protocol, "IDLE", 0.1)
    monkeypatch.setattr(protocol, "WRITING", 0.1)
    config, state, told = Config(much, lifespan="off", log_config=None, ws="none"), ServerState(), []
    config.load()

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            server = await loop.create_server(
                lambda: protocol.Timed(
                    config, state, {}, limits=Limits(), tell=lambda *why: told.append(why[0]), crowd=Crowd()
                ),
                sock=listener,
            )
            client.setblocking(False)
            await loop.sock_connect(client, listener.getsockname())
            await loop.sock_sendall(client, asked)
            async with asyncio.timeout(20):
                while not state.connections or not next(iter(state.connections)).cycle:
                    await asyncio.sleep(0.01)
                if half:
                    client.shutdown(socket.SHUT_WR)
                while state.connections:
                    await asyncio.sleep(0.01)
            server.close()

    asyncio.run(ask())
    assert told == ["unread"]


@pytest.mark.parametrize("head", [b"content-length: 9000", b"transfer-encoding: chunked"])
def test_a_body_may_come_in_small_pieces(head):
    said = Connection(h11.SERVER)
    said.receive_data(b"POST / HTTP/1.1\r\nhost: localhost\r\n" + head + b"\r\n\r\n")
    assert isinstance(said.next_event(), h11.Request)
    body = bytes(9_000) if b"length" in head else 30 * (b"12c\r\n" + bytes(300) + b"\r\n") + b"0\r\n\r\n"
    size = 0
    for place in range(len(body)):  # one that is slow has no more chunks for that
        said.receive_data(body[place : place + 1])
        while isinstance(event := said.next_event(), h11.Data):
            size += len(event.data)
    assert (size, type(event)) == (9_000, h11.EndOfMessage)
