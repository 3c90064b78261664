"""Ctrl-C and SIGTERM end a training between two steps; a second one ends it at once."""

import ctypes
import signal
import sys
import threading
from types import FrameType

ASKED_BY = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """Notes the first signal that asks the process to end; while it is in use, and in the main thread only.

    The second signal finds the system's own handling, so the process ends by it (a shell tells 130 or 143), whatever it
    is doing. Python alone could not promise that: its handlers wait until the call into C that is running returns, and
    so would the one that gives the second signal its way. So the system itself takes the handler out as it calls it.

    A signal that was ignored when the process started, as a shell does for jobs in the background, stays ignored.

    Parameters
    ----------
    patient
        further signals change nothing: for one of several processes, which gets a signal from whoever sends it to all,
        and again from the program that started them and will kill them if they take too long

    Attributes
    ----------
    signal
        the first signal's number; None until it comes
    heard
        whether signals are listened to
    """

    def __init__(self, patient: bool = False) -> None:
        self.patient = patient
        self.signal: int | None = None
        self.heard = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Stopping":
        self.heard = threading.current_thread() is threading.main_thread()
        for number in ASKED_BY if self.heard else ():
            before = signal.getsignal(number)
            if before not in (signal.SIG_IGN, None):  # None: not Python's to give back
                self._before[number] = before
                signal.signal(number, self._note)
                if not self.patient:
                    once(number)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)  # pyright: ignore[reportArgumentType] (as getsignal gave it)
        self._before.clear()
        self.heard = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = self.signal or number
        for other in () if self.patient else self._before:
            signal.signal(other, signal.SIG_DFL)


def once(number: int) -> None:
    """Let the system put a signal's own handling back as soon as it has called Python's handler.

    Parameters
    ----------
    number
        of the signal
    """
    if sys.platform != "linux":  # elsewhere a second signal waits for Python, as the first one does
        return
    system = ctypes.CDLL(None)
    for install in (system.signal, system.sysv_signal):
        install.argtypes, install.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    handler = system.signal(number, None)  # None is SIG_DFL
    system.sysv_signal(number, handler)
