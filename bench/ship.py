"""Shipping: the exported file beside eager PyTorch, and `striate serve` beside services in FastAPI and LitServe.

    python -m bench ship FOLDER

FOLDER holds `flowers`, photos, and `googlenet_bvlc.safetensors`. Pictures are JPEGs of 500×375. What the peers do
stands in `ship_peers.py`. All have the same weights, use two threads, and must give the same answers, or the bench
stops; int8 may differ, by as much as is told. The services stay up, but only one is asked at a time, by a process of
its own (`ship_load.py`), and the others are stopped meanwhile: LitServe's never rest. `BENCH_TURNS` and `BENCH_SECONDS`
make it shorter.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np

from bench.look import WEIGHTS
from bench.ship_one import NETWORKS, SAME, contest
from bench.train import given_folder
from bench.turns import Contestant

CLIENTS = (1, 8, 64)
SECONDS = float(os.environ.get("BENCH_SECONDS", 3))  # of a turn
SERVED = ("googlenet", "mobilenet_v2")
GOALS = {"plain FastAPI": 2.0, "LitServe": 1.3}  # times as many requests a second
RESTING, RESTED = 0.1, 2.0  # processors that striate may use while nobody asks (on virtual machines, waking up ten
# times a second is counted as 0.03); seconds of looking
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Service:
    """A service that is up.

    Parameters
    ----------
    name
        what it is called in the results
    words
        the command
    port
        where it listens
    ready
        the path that answers 200 when it is
    turns
        of each number of clients: what `load` found
    """

    name: str
    words: list[str]
    port: int
    ready: str
    turns: dict[int, list[dict]] = field(default_factory=dict)

    def __enter__(self) -> "Service":
        root = Path(__file__).parents[1]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(self.words, stdout=self.log, stderr=self.log, cwd=root, start_new_session=True)
        limit = time.monotonic() + 60
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > limit:
                self.log.seek(0)
                raise SystemExit(f"{self.name} does not begin:\n{self.log.read().decode()[-2000:]}")
            time.sleep(0.1)
        return self

    def _answers(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{self.ready}", timeout=1) as answer:
                return answer.status == 200
        except (URLError, OSError):
            return False

    def __exit__(self, *error: object) -> None:
        self.process.terminate()
        self.signal(signal.SIGCONT)
        try:
            self.process.wait(20)
        finally:
            for process in self.processes():
                os.kill(process, 9)
            self.log.close()

    def processes(self) -> list[int]:
        """All of its session."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (stat := self._stat(int(entry.name))) and int(stat[3]) == self.process.pid:
                found.append(int(entry.name))
        return found

    def _stat(self, process: int) -> list[str]:
        try:
            return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return []

    def worked(self) -> float:
        """Seconds of processors that it has used."""
        stats = [self._stat(process) for process in self.processes()]
        return sum(int(stat[11]) + int(stat[12]) for stat in stats if stat) / TICKS

    def resting(self) -> float:
        """Processors that it uses while nobody asks it."""
        time.sleep(1)  # it may have something to finish
        before = self.worked()
        time.sleep(RESTED)
        return (self.worked() - before) / RESTED

    def signal(self, number: int) -> None:
        """Stop it or let it go on, all of its processes: only one service may use the processors."""
        os.killpg(self.process.pid, number)

    def memory(self) -> tuple[float, float]:
        """MiB that its processes hold: each counted whole, and what they share divided among them."""
        whole = shared = 0
        for process in self.processes():
            rows = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
            values = dict(line.split(":") for line in rows)
            whole += int(values["Rss"].split()[0])
            shared += int(values["Pss"].split()[0])
        return whole / 1024, shared / 1024


def free_port() -> int:
    """Where nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def services(place: Path, network: str) -> list[Service]:
    """All three, not yet begun."""
    ports = [free_port() for _ in range(3)]
    serve = [sys.executable, "-m", "striate", "serve", str(place / f"{network}.onnx"), "--port", str(ports[0])]
    found = [Service("striate serve", serve, ports[0], "/readyz")]
    peers = ("ship_peers", "plain FastAPI", "/docs"), ("ship_litserve", "LitServe", "/health")
    for (module, name, ready), port in zip(peers, ports[1:], strict=True):
        asked = json.dumps({"place": str(place), "network": network, "port": port})
        words = [sys.executable, "-W", "ignore", "-m", f"bench.{module}", asked]
        found.append(Service(name, words, port, ready))
    return found


def serving(place: Path, network: str, turns: int) -> None:
    """The tables of one network."""
    with ExitStack() as stack:
        found = []
        for service in services(place, network):
            found.append(stack.enter_context(service))
            used = service.resting()
            if service is found[0] and used > RESTING:
                raise SystemExit(f"{service.name} uses {used:.2f} processors while nobody asks it")
            print(f"{service.name} uses {100 * used:.1f} % of a processor while nobody asks it", flush=True)
            service.signal(signal.SIGSTOP)
        for clients in CLIENTS:
            loads = []
            for service in found:
                asked = {"place": str(place), "port": service.port, "path": "/predict", "clients": clients}
                told = json.dumps({**asked, "seconds": SECONDS})
                loads.append(stack.enter_context(Contestant(service.name, "bench.ship_load:load", told)))
            for turn in range(turns + 1):
                for service, load in zip(found, loads, strict=True):
                    service.signal(signal.SIGCONT)
                    load.turn()
                    service.signal(signal.SIGSTOP)
                    if turn:  # caches fill in the first one
                        service.turns.setdefault(clients, []).append(load.work)
            compared(found, clients)
            tell(network, found, clients)
        for service in found:
            whole, shared = service.memory()
            many = len(service.processes())
            print(f"{service.name:16} {many} process(es), {whole:,.0f} MiB resident, {shared:,.0f} with shares divided")
    print(flush=True)


def compared(found: list[Service], clients: int) -> None:
    """Stop where a service gives other answers than the first."""
    for service in found[1:]:
        for mine, other in zip(found[0].turns[clients], service.turns[clients], strict=True):
            for photo in mine["answers"].keys() & other["answers"].keys():
                a, b = (probabilities(each["answers"][photo]) for each in (mine, other))
                away = max(abs(a[name] - b[name]) for name in a.keys() & b.keys())
                if not (away <= SAME and a.keys() & b.keys()):
                    raise SystemExit(f"{service.name} says {b} of photo {photo}, {found[0].name} {a}")


def probabilities(answer: dict) -> dict[str, float]:
    """Names and probabilities of an answer in JSON."""
    rows = (answer["predictions"][0] if "predictions" in answer else answer)["answers"]
    return {row["class"]: row["probability"] for row in rows}


def tell(network: str, found: list[Service], clients: int) -> None:
    """Requests a second, and how long answers took."""
    rates = {}
    for service in found:
        done = service.turns[clients]
        rate = [len(turn["took"]) / turn["elapsed"] for turn in done]
        rates[service.name] = median(rate)
        half, last = (1e3 * np.percentile([second for turn in done for second in turn["took"]], q) for q in (50, 99))
        refused = sum(turn["refused"] for turn in done)
        times = rates[found[0].name] / rates[service.name]
        least = GOALS.get(service.name)
        goal = f"; at least {least}×: {'yes' if times >= least else 'NO'}" if least else ""
        print(
            f"{NETWORKS[network]:18} {clients:3} client(s) {service.name:16} "
            f"{f'{median(rate):.1f} a second ({min(rate):.1f} … {max(rate):.1f})':>34}, "
            f"p50 {half:6.0f} ms, p99 {last:6.0f} ms, {refused} refused; {times:.2f}×{goal}",
            flush=True,
        )


def main(turns: int = 5) -> None:
    """Make the files, then one table for each network, then the services."""
    folder = given_folder("ship")
    if not (folder / WEIGHTS).is_file():
        sys.exit(f"bench ship needs a folder with flowers and {WEIGHTS}: python -m bench ship FOLDER")
    turns = int(os.environ.get("BENCH_TURNS", turns))
    with tempfile.TemporaryDirectory() as place:
        words = [sys.executable, "-W", "ignore", "-m", "bench.ship_made", str(folder), place]
        subprocess.run(words, check=True, cwd=Path(__file__).parents[1])
        print()
        for network in NETWORKS:
            contest(Path(place), network, turns)
        for network in SERVED:
            serving(Path(place), network, turns)
