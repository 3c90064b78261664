"""Clients that post photos to a service and wait for the answer, each over a connection that it keeps.

They share a process of their own, which is as light as plain sockets allow: it works on the processors that the
service needs, too. All services get the same bytes, multipart as browsers and the usual libraries send them.
"""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

BOUNDARY = b"striate-bench"


def load(argument: str) -> Callable[[], dict]:
    """Some clients for some seconds; gives how long each answer took, and what was answered last to each photo."""
    asked = json.loads(argument)
    requests = [request(file, asked["path"]) for file in sorted(Path(asked["place"], "told").iterdir())]

    def run() -> dict:
        return asyncio.run(turn(asked["port"], requests, asked["clients"], asked["seconds"]))

    return run


def request(file: Path, path: str) -> bytes:
    """All bytes of one request."""
    body = (
        b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="file"; filename="' + file.name.encode()
        + b'"\r\nContent-Type: image/jpeg\r\n\r\n' + file.read_bytes() + b"\r\n--" + BOUNDARY + b"--\r\n"
    )  # fmt: skip
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary={BOUNDARY.decode()}"
        f"\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def turn(port: int, requests: list[bytes], clients: int, seconds: float) -> dict:
    """All clients at once. What was begun in time is waited for, and its time counts."""
    start = perf_counter()
    took, bodies, refused = [], {}, 0

    async def client(number: int) -> None:
        nonlocal refused
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        place = number
        while perf_counter() - start < seconds:
            begun = perf_counter()
            writer.write(requests[place % len(requests)])
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
            body = await reader.readexactly(int(fields[b"content-length"]))
            if head.startswith(b"HTTP/1.1 200"):
                took.append(perf_counter() - begun)
                bodies[place % len(requests)] = body
            else:
                refused += 1
                await asyncio.sleep(float(fields.get(b"retry-after", b"1")))
            place += 1
            if fields.get(b"connection") == b"close":
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()

    await asyncio.gather(*(client(number) for number in range(clients)))
    elapsed = perf_counter() - start
    answers = {str(place): json.loads(body) for place, body in bodies.items()}
    return {"took": took, "elapsed": elapsed, "refused": refused, "answers": answers}
