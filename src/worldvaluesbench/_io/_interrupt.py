"""Ctrl-C and SIGTERM while a model is asked: whoever asks is told of each."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at every interrupt within the block; it may raise KeyboardInterrupt.

    The handlers that were there are put back at the end. In another thread than the main one, which alone receives
    signals, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def tell(_signum: int, _frame: FrameType | None) -> None:
        stop()

    before = {signum: signal.signal(signum, tell) for signum in SIGNALS}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
