"""What Prometheus is told. The registry is the server's own, so that two in one process do not mix."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from striate.ship.serve.places import Places
from striate.ship.serve.served import Served

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
BATCHES = (1, 2, 4, 8, 16, 32)


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

    def answered(self, route: str, status: int, seconds: float) -> None:
        """A request is done."""
        self.requests.labels(route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All of them, as Prometheus reads them."""
        return generate_latest(self.registry)
