"""Ctrl-C and SIGTERM while a model is asked: the first asks to stop, the second stops."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at the first interrupt within the block and raise KeyboardInterrupt at the second.

    The handlers that were there are put back at the end. In another thread than the main one, which alone receives
    signals, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    n = 0

    def count(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
        nonlocal n
        n += 1
        if n > 1:
            raise KeyboardInterrupt
        stop()

    before = {signum: signal.signal(signum, count) for signum in SIGNALS}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
