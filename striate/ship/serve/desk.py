"""A request's way from its body to its answers."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from fastapi import Request, Response

from striate.ship.serve.crew import Answer, Crew, step_back
from striate.ship.serve.limits import Limits
from striate.ship.serve.places import Place, Places
from striate.ship.serve.reading import Read, inflated
from striate.ship.serve.refusal import Refusal
from striate.ship.serve.served import Served
from striate.show.names import printable

Found = TypeVar("Found")
SHORT = 10_000  # numbers in an answer; writing more would hold up everybody else


class Gone(Exception):
    """A client that has closed its connection."""


class Desk:
    """Takes requests in.

    Parameters
    ----------
    models
        by name
    crew
        that answers
    places
        that there are
    limits
        of a request
    threads
        that decode
    told
        gets all answers, to count them
    """

    def __init__(
        self,
        models: dict[str, Served],
        crew: Crew,
        places: Places,
        limits: Limits,
        threads: int,
        told: Callable[[Served, list[Answer]], None],
    ):
        self.models, self.crew, self.places, self.limits, self.told = models, crew, places, limits, told
        self.pool = ThreadPoolExecutor(threads, "reading", step_back)

    def model(self, name: str | None) -> Served:
        """The model of that name; the only one needs not be named."""
        if name is None and len(self.models) == 1:
            return next(iter(self.models.values()))
        if name is None:
            raise Refusal(422, f"?model= says which model is asked; there are {', '.join(self.models)}")
        if name not in self.models:
            raise Refusal(404, f"no model is called '{printable(name, 100)}'; there are {', '.join(self.models)}")
        return self.models[name]

    async def answers(
        self,
        request: Request,
        model: Served,
        parse: Callable[[bytes], tuple[Found, Any]],
        see: Callable[[Any, Place], list[Read]],
        tell: Callable[[Found, list[Read], list[Answer]], Response],
    ) -> Response:
        """Receive a body, read it in a thread, and have its pictures answered, if there is a place for each.

        Parameters
        ----------
        request
            whose body was not read yet
        model
            that is asked
        parse
            finds in a body the pictures, and whatever else is wanted
        see
            makes of them what the network sees
        tell
            writes the answer, in a thread as well where it is long
        """
        encoding = request.headers.get("content-encoding", "").lower()
        self._check_announced(request)
        with self.places.enter() as place:
            body: Any = await self._received(request, place)  # and then the pictures in it
            place.take(pictures=1)

            async def through() -> Response:
                nonlocal body
                in_thread = partial(asyncio.get_running_loop().run_in_executor, self.pool)

                def opened() -> tuple[int, tuple[Found, Any]]:
                    content = inflated(body, encoding, self.limits.bytes)
                    return len(content), parse(content)

                size, (more, body) = await in_thread(opened)
                place.take(pictures=len(body) - 1, size=size - place.bytes)
                seen = await in_thread(lambda: see(body, place))
                body = b""
                place.drop_body()
                request.state.told.update(model=model.name, pictures=len(seen))
                answers = await self.crew.answers(model, [each.fitted for each in seen])
                self.told(model, answers)
                if sum(part.size for answer in answers for part in answer if part is not None) > SHORT:
                    return await in_thread(lambda: tell(more, seen, answers))
                return tell(more, seen, answers)

            try:
                return await _unless_gone(request, through())
            finally:
                body = b""  # work whose turn has not come may hold on to it

    def _check_announced(self, request: Request) -> None:
        announced = int(request.headers.get("content-length") or 0)
        if announced > self.limits.bytes:
            raise Refusal(413, f"a body may have {self.limits.bytes:,} bytes, but this one has {announced:,}")

    async def _received(self, request: Request, place: Place) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise Gone
            part = message.get("body", b"")
            size += len(part)
            if size > self.limits.bytes:
                raise Refusal(413, f"a body may have {self.limits.bytes:,} bytes, but this one has more")
            place.take(size=len(part))
            parts.append(part)
            if not message.get("more_body"):
                return b"".join(parts) if len(parts) > 1 else part


async def _unless_gone(request: Request, work: Any) -> Any:
    """The result of work that is given up when the client closes its connection."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Gone
        return task.result()
    finally:
        task.cancel()
        gone.cancel()
