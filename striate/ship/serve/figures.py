"""What Prometheus is told. The registry is the server's own, so that two in one process do not mix."""

from collections.abc import Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from striate.ship.serve.crew import Answer
from striate.ship.serve.places import Places
from striate.ship.serve.served import Served
from striate.show.names import printable

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
BATCHES = (1, 2, 4, 8, 16, 32)
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
disable_created_metrics()  # when each was first counted, which nobody asks


class Figures:
    """Counters of a server.

    Parameters
    ----------
    places
        that are taken
    """

    def __init__(self, places: Places):
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter("striate_requests", "Requests answered", ["route", "status"], registry=registry)
        self.seconds = Histogram(
            "striate_request_seconds", "From headers to answer", ["route"], buckets=SECONDS, registry=registry
        )
        self.batches = Histogram(
            "striate_batch_pictures", "Pictures answered together", ["model"], buckets=BATCHES, registry=registry
        )
        # pictures that become other ones than those that were learned from show here first
        self.named = Counter(
            "striate_pictures_answered", "Pictures by their likeliest class", ["model", "class"], registry=registry
        )
        self.sure = Histogram(
            "striate_answer_probability",
            "The probability of the likeliest class",
            ["model"],
            buckets=SHARES,
            registry=registry,
        )
        self.closed = Counter(
            "striate_connections_closed", "Connections that the server ended", ["why"], registry=registry
        )
        self.lost = Counter("striate_log_lines_lost", "Lines that nobody read in time", registry=registry)
        waiting = Gauge("striate_pictures_underway", "Pictures that wait or are being answered", registry=registry)
        waiting.set_function(lambda: places.pictures)
        bodies = Gauge("striate_body_bytes_underway", "Bytes of bodies that are kept", registry=registry)
        bodies.set_function(lambda: places.bytes)

    def batch(self, model: Served, length: int) -> None:
        """A batch begins."""
        self.batches.labels(model.name).observe(length)

    def told(self, model: Served, answers: Sequence[Answer]) -> None:
        """Pictures are answered."""
        for answer in answers:
            likeliest = int(answer.probabilities.argmax())
            self.named.labels(model.name, printable(model.beside.classes[likeliest])).inc()
            self.sure.labels(model.name).observe(float(answer.probabilities[likeliest]))

    def answered(self, route: str, status: int, seconds: float) -> None:
        """A request is done."""
        self.requests.labels(route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All of them, as Prometheus reads them."""
        return generate_latest(self.registry)
