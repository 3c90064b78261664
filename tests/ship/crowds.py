"""Clients that all ask at once."""

import json
import subprocess
import sys
from pathlib import Path

from made import encoded
from served_files import PATIENCE, Server
from tinting import tinted

PICTURE = encoded(tinted(1, 1, 60, 40), "JPEG")
# clients that all ask at once, from a process of their own, whether the server is alive, and then about a picture:
# prints the status, the seconds and the Retry-After of each
CROWD = """
import asyncio, json, sys, time
port, count, file = int(sys.argv[1]), int(sys.argv[2]), open(sys.argv[3], "rb").read()
alive = b"GET /healthz HTTP/1.1\\r\\nhost: localhost\\r\\n\\r\\n"
head = b"POST /predict HTTP/1.1\\r\\nhost: localhost\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(file)
async def ask(what):
    try:
        begun = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(what)
        answer = (await reader.readuntil(b"\\r\\n\\r\\n")).decode().lower()
        took = time.monotonic() - begun
        length = int(answer.split("content-length: ")[1].split("\\r")[0])
        await reader.readexactly(length)
        writer.close()
        after = answer.split("retry-after: ")[1].split("\\r")[0] if "retry-after" in answer else None
        return int(answer.split()[1]), round(took, 4), after
    except (OSError, asyncio.IncompleteReadError) as error:
        return 0, 0.0, repr(error)
async def main():
    print(json.dumps([await asyncio.gather(*(ask(what) for _ in range(count))) for what in (alive, head + file)]))
asyncio.run(main())
"""


def crowd(server: Server, count: int, folder: Path) -> subprocess.Popen:
    (folder / "picture.jpg").write_bytes(PICTURE)
    words = [sys.executable, "-c", CROWD, str(server.port), str(count), str(folder / "picture.jpg")]
    with (folder / "crowd.json").open("wb") as told:
        return subprocess.Popen(words, stdout=told)


def told(crowd: subprocess.Popen, folder: Path) -> tuple[list[tuple[int, float, str | None]], ...]:
    assert crowd.wait(PATIENCE) == 0
    return json.loads((folder / "crowd.json").read_bytes())
