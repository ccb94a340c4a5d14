"""An event loop in a thread of its own: requests go in, replies come out, in the order in which they are there.

A thread, because whoever asks may be in an event loop already (a notebook) and is no coroutine. Requests are taken
from their iterator in the caller's thread, as many as there is room for, so it may look at the replies yielded so far.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import islice
from queue import Empty, Queue
from typing import TYPE_CHECKING

from worldvaluesbench.prompts import Reply, Request

if TYPE_CHECKING:  # aiohttp is imported in the thread, while the first requests are made
    from worldvaluesbench.models.hosted._session import Session

AHEAD = 2.0
"""Requests taken for each that can be in flight, so that the next are at hand while a batch of replies is read."""

FIRST_ALONE = 10.0
"""Seconds for which the first call may go alone: what an endpoint refuses is then refused once."""

GRACE = 10.0
"""Seconds in which calls in flight may end when the session is stopped by an error."""

_WAKE = 0.5

Opened = Callable[[], AbstractAsyncContextManager["Session"]]

_Told = tuple[Reply | None, int]
"""A reply, None where a request was dropped, and how many requests are done with it: 1, or 0 where more is to come."""


def replies_from(
    opened: Opened, requests: Iterable[Request], concurrency: int, is_withdrawn: Callable[[], bool] = lambda: False
) -> Iterator[Reply]:
    """Ask in the background; yields every reply, then raises the error that stopped the session, if one did.

    Once `is_withdrawn`, requests that are not on their way, those that wait for the pace or for another try included,
    are dropped without a reply.

    `opened` opens the session, in the thread. Closing the iterator, or an exception in it such as KeyboardInterrupt,
    cancels the calls in flight; replies that were there before the exception are yielded before it is raised.
    """
    thread = _Background(opened, concurrency)
    source, room, n_out = iter(requests), max(concurrency + 1, int(AHEAD * concurrency)), 0
    is_open = True
    try:
        while True:
            taken = list(islice(source, room - n_out)) if is_open else []
            is_open = is_open and n_out + len(taken) == room
            n_out += len(taken)
            if n_out == 0:
                return
            thread.give(taken)
            if is_withdrawn():
                is_open = False
                thread.withdraw()
            for reply, n_done in thread.received():
                n_out -= n_done
                if reply is not None:
                    yield reply
    except (Exception, KeyboardInterrupt):
        thread.end()
        yield from thread.left()
        raise
    finally:
        thread.end()


class _Background:
    """The thread with its loop, from its first request on."""

    def __init__(self, opened: Opened, concurrency: int) -> None:
        self._opened = opened
        self._concurrency = concurrency
        # not a SimpleQueue, whose wait on Python 3.11 has no end where its limit passes in a signal handler
        self._replies: Queue[list[_Told] | BaseException] = Queue()
        self._found: deque[_Told] = deque()
        self._ready: list[_Told] = []
        self._requests: asyncio.Queue[Request | None] = asyncio.Queue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._session: Session | None = None
        self._is_ready = threading.Event()
        self._is_withdrawn = False
        self._thread = threading.Thread(target=self._run, name="wvb-endpoint", daemon=True)

    def give(self, requests: list[Request]) -> None:
        """Put requests into the loop."""
        if self._thread.ident is None:
            self._thread.start()
            self._is_ready.wait()
        if requests:
            self._call(self._put, requests)

    def withdraw(self) -> None:
        """Send nothing that is not on its way."""
        if not self._is_withdrawn:
            self._is_withdrawn = True
            self._call(self._drop)

    def received(self) -> Iterator[_Told]:
        """What has come; nothing for a while where nothing comes.

        Raises what stopped the session.
        """
        found = self._wait()
        if isinstance(found, BaseException):
            raise found
        self._found.extend(found)
        while self._found:
            yield self._found.popleft()

    def left(self) -> Iterator[Reply]:
        """The replies that are there and were not taken."""
        with contextlib.suppress(Empty):
            while True:
                found = self._replies.get_nowait()
                self._found.extend(() if isinstance(found, BaseException) else found)
        yield from (reply for reply, _ in self._found if reply is not None)

    def end(self) -> None:
        """Cancel what is in flight and wait for the thread."""
        if self._thread.ident is None:
            return
        self._is_ready.wait()
        assert self._task is not None
        self._call(self._task.cancel)
        self._thread.join(timeout=GRACE)

    def _wait(self) -> list[_Told] | BaseException:
        try:  # some systems deliver Ctrl-C between two waits only
            return self._replies.get(timeout=_WAKE)
        except Empty:
            return []

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop has ended, and told why
            self._loop.call_soon_threadsafe(function, *arguments)

    def _put(self, requests: Sequence[Request | None]) -> None:
        for request in requests:
            self._requests.put_nowait(request)

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._main())

    def _drop(self) -> None:
        if self._session is not None:  # else it could not be opened, and tells why
            self._session.calls.withdraw()

    def _hand_over(self, replies: Sequence[Reply]) -> None:
        """Give the reply to a request to whoever asks, with those of the same moment: each handover takes time."""
        assert self._loop is not None
        if not self._ready:
            self._loop.call_soon(self._flush)
        last = len(replies) - 1
        self._ready += [(reply, int(place == last)) for place, reply in enumerate(replies)] or [(None, 1)]

    def _flush(self) -> None:
        if self._ready:
            self._replies.put(self._ready)
            self._ready = []

    async def _main(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._is_ready.set()
        try:
            async with self._opened() as session:
                self._session = session
                if self._is_withdrawn:
                    session.calls.withdraw()
                await self._work(session)
        except Exception as error:  # raised in the thread of whoever asks
            self._flush()
            self._replies.put(error)
        finally:
            self._flush()

    async def _work(self, session: "Session") -> None:
        """Ask until an error stops the session, which is raised; else until this is cancelled."""
        workers = [asyncio.create_task(self._ask_one_by_one(session, n)) for n in range(self._concurrency)]
        try:
            error = await session.calls.until_stopped()
            self._put([None] * len(workers))  # wakes those who wait for a request
            await asyncio.wait(workers, timeout=GRACE)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        raise error

    async def _ask_one_by_one(self, session: "Session", number: int) -> None:
        if number > 0:
            # not wait_for, which on Python 3.11 swallows a cancellation that comes as it ends
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_ALONE):
                    await session.calls.heard.wait()
        try:
            while session.calls.stopped is None:
                request = await self._requests.get()
                replies = [] if request is None else await session.reply(request)
                if replies or (request is not None and session.calls.is_withdrawn):
                    self._hand_over(replies)
        except Exception as error:  # a bug of ours: told where it can be seen
            self._replies.put(error)
