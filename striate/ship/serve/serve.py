"""`striate serve`: models behind HTTP."""

import gc
import logging
import re
import resource
import socket
from typing import Annotated

import cv2
from cyclopts import Parameter
from threadpoolctl import threadpool_limits

from striate.errors import StriateError
from striate.processors import processors
from striate.ship.predictions import check_probability
from striate.ship.serve.app import application
from striate.ship.serve.crew import Crew
from striate.ship.serve.desk import Desk
from striate.ship.serve.figures import Figures
from striate.ship.serve.guard import Guard, is_loopback, name_of_host
from striate.ship.serve.limits import Limits
from striate.ship.serve.logs import Log
from striate.ship.serve.places import Places
from striate.ship.serve.served import Served, open_models
from striate.ship.serve.server import Draining, bound
from striate.show.names import printable
from striate.show.progress import say

LEAST_TOKEN = 16  # signs
MOST_THREADS = 8  # for each processor
SPARE = 300  # open files beside connections, with those of connections that are just opened or closed


def serve(
    *files: str,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: Annotated[str | None, Parameter(env_var="STRIATE_TOKEN")] = None,
    name: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    batch: int = 1,
    wait: float = 0.0,
    threads: int | None = None,
    unknown_below: float | None = None,
    limits: Annotated[Limits, Parameter(name="*", group="Limits of requests")] = Limits(),  # noqa: B008 (it cannot be changed)
) -> None:
    """Answer pictures over HTTP, until it is told to stop: then it finishes what it has accepted.

    `POST /predict` takes a picture, or several as multipart/form-data; `/` is a page to drop a photo on, `/docs` says
    what else there is: the Open Inference Protocol under `/v2/`, `/healthz`, `/readyz`, `/metrics`.

    Parameters
    ----------
    files
        what `striate export` wrote; of a run's folder such a file is made first, and kept. NAME=FILE gives it a name,
        else it is called as its file is
    host
        address to listen on; others than this machine's own need a token
    port
        0 takes any that is free
    token
        that clients must show, as Authorization: Bearer TOKEN; also from the environment, where no list of processes
        shows it
    name
        by which browsers may call the server, beside its addresses
    batch
        pictures that are answered together, at most; on processors, single ones side by side are faster
    wait
        milliseconds that a picture waits for others to be answered with it
    threads
        how many processors are used; all that this process may use by itself
    unknown_below
        the probability, 0 to 1, below which `/predict` and the page call a picture unknown, whose likeliest class is
        less probable
    limits
        what requests may take
    """
    _check(host, name, token, batch, wait, threads)
    check_probability(unknown_below)
    if not files:
        raise StriateError("a server needs a model: a file that `striate export` wrote, or a run's folder")
    threads = threads or processors()
    with bound(host, port) as listener:  # before the models, which may take long to open
        models = open_models(files, threads)
        _run(listener, models, host, name, token, batch, wait, threads, unknown_below, limits)


def _run(
    listener: socket.socket,
    models: dict[str, Served],
    host: str,
    names: tuple[str, ...],
    token: str | None,
    batch: int,
    wait: float,
    threads: int,
    unknown_below: float | None,
    limits: Limits,
) -> None:
    """Serve at a socket until it is told to stop."""
    places = Places(limits)
    figures = Figures(places)
    log = Log(figures.lost.inc)
    cv2.setNumThreads(1)  # pictures are read side by side
    threadpool_limits(limits=1, user_api="blas")
    crew = Crew(list(models.values()), threads, batch, wait / 1000, lambda: places.pictures, figures.batch)
    crew.warm_up()
    desk = Desk(models, crew, places, limits, threads, figures.told)
    app = application(desk, figures, lambda: not guard.stopping, token is not None, unknown_below)
    guard = Guard(app, host, names, token, figures, log)  # type: ignore[arg-type]
    address = listener.getsockname()
    shown = f"[{address[0]}]" if ":" in address[0] else address[0]

    def started() -> None:
        log("started", models={name: model.beside.sum for name, model in models.items()})
        say(f"serving {', '.join(models)} at http://{shown}:{address[1]}/ until Ctrl-C")

    def closed(why: str, request: str) -> None:
        figures.closed.labels(why).inc()
        log("closed", request_id=request, why=why)

    _allow_connections(limits.connections)
    handing = _Handing(log)
    logging.getLogger().addHandler(handing)
    gc.collect()
    gc.freeze()  # what was loaded stays: to look through it again and again would take a tenth of a second each time
    try:
        Draining(guard, limits, closed, started).run([listener])
    finally:
        for pool in (desk.pool, crew.pool):  # what nobody waits for any more is not begun
            pool.shutdown(wait=False, cancel_futures=True)
        logging.getLogger().removeHandler(handing)
        log("stopped")
        log.close()
        for pool in (desk.pool, crew.pool):  # what is being computed cannot be stopped
            pool.shutdown()


def _check(host: str, names: tuple[str, ...], token: str | None, batch: int, wait: float, threads: int | None) -> None:
    if token is not None and not re.fullmatch(rf"[!-~]{{{LEAST_TOKEN},}}", token):
        empty = "" if token else "; where none is wanted, leave --token and STRIATE_TOKEN out"
        raise StriateError(
            f"a token is {LEAST_TOKEN} or more ASCII signs without spaces, so that nobody guesses it{empty}"
        )
    if token is None and not is_loopback(host):
        raise StriateError(
            f"a server that others can reach wants a token, but {host} is not this machine alone, and there is none; "
            "give --token, or STRIATE_TOKEN in the environment"
        )
    for name in names:
        if name_of_host(name.lower()) != name.lower().strip("[]") or not name:
            raise StriateError(f"a server's name is one as in pets.example.org, but is '{printable(name)}'")
    most = MOST_THREADS * processors()
    if threads is not None and not 1 <= threads <= most:
        raise StriateError(f"a server answers with 1 to {most} threads here, but {threads} are given")
    if batch < 1:
        raise StriateError(f"a batch holds at least 1 picture, but {batch} is given")
    if not 0 <= wait <= 1000:
        raise StriateError(f"a picture waits 0 to 1,000 milliseconds for others, but {wait:g} is given")
    if wait and batch == 1:
        raise StriateError(
            f"--wait {wait:g} waits for others to be answered together, but a batch is of 1; --batch 8 would be of more"
        )


def _allow_connections(connections: int) -> None:
    """Each connection is an open file, of which the system allows few at first."""
    most, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE
    if hard != resource.RLIM_INFINITY and hard < wanted:
        fits = f"--connections {hard - SPARE} would fit" if hard > SPARE else f"{SPARE + 1} are the least"
        raise StriateError(
            f"{connections:,} connections need {wanted:,} open files, but the system allows {hard:,}; {fits}"
        )
    if most != resource.RLIM_INFINITY and most < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _Handing(logging.Handler):
    """Hands to the log what libraries say."""

    def __init__(self, log: Log):
        super().__init__(logging.WARNING)
        self.log = log

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1]:
            self.log.failure(record.exc_info[1], message=record.getMessage())
        else:
            self.log("server", message=record.getMessage(), level=record.levelname, logger=record.name)
