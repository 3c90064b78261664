"""A server that is told to stop loses nothing that it accepted."""

import signal
import time
from contextlib import ExitStack

from crowds import PICTURE, crowd, told
from served_files import PATIENCE, post, rest, served

from striate.ship.serve.limits import Limits


def test_sigterm_loses_nothing_that_was_accepted(coloured_file, tmp_path):
    with served([coloured_file, "--queue", 200], tmp_path) as server:
        with server.held():
            everyone = crowd(server, 100, tmp_path)
            server.until(lambda: server.figure("striate_pictures_underway") == 100)
            server.process.send_signal(signal.SIGTERM)
        _, answers = told(everyone, tmp_path)
        assert [status for status, _, _ in answers] == [200] * 100
        assert server.process.wait(PATIENCE) == 0


def test_what_takes_too_long_after_a_terminal_was_closed_is_told_so(coloured_file, tmp_path):
    with served([coloured_file, "--drain-seconds", 1], tmp_path) as server:
        with server.held(), server.connect(post(PICTURE)) as client:
            server.until(lambda: server.figure("striate_pictures_underway") == 1)
            server.process.send_signal(signal.SIGHUP)
            heard = rest(client)
        assert b" 503 " in heard
        assert b"retry-after: 1" in heard
        assert b"the server stops" in heard
        assert server.process.wait(PATIENCE) == 0
        assert [line["status"] for line in server.lines if line.get("path") == "/predict"] == [503]


def test_sigterm_does_not_wait_for_silent_clients(coloured_file, tmp_path):
    with served([coloured_file], tmp_path) as server, ExitStack() as clients:
        silent = clients.enter_context(server.connect())
        idle = clients.enter_context(server.connect(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"))
        assert b" 200 " in idle.recv(4096)
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < Limits().header_seconds  # nor for `IDLE`, which is longer
        assert rest(silent) == rest(idle) == b""
