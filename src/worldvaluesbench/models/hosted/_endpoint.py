"""An endpoint: one address that speaks the OpenAI API, called through the official client on its aiohttp transport.

The client's own retries are off, and its replies are read as they are, without its models of them: that takes half of
the time. Redirects are not followed, for prompts hold respondents' attributes. Of what comes back no more is taken than
was agreed, compressed or not, and the key is taken out of it before anybody reads it.
"""

import asyncio
import json
import os
import ssl
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import httpx2
import openai
from openai import RequestOptions

from worldvaluesbench.errors import ModelError
from worldvaluesbench.models import Redactor
from worldvaluesbench.models.hosted._outcomes import Failed, KeyRefused, Outcome, judge
from worldvaluesbench.models.hosted._pace import HostedOptions

PLACEHOLDER = "none"
"""What is sent as the key where there is none: servers at home want the header but do not read it."""

_UNSENT = (
    "X-Stainless-Lang", "X-Stainless-Package-Version", "X-Stainless-OS", "X-Stainless-Arch", "X-Stainless-Runtime",
    "X-Stainless-Runtime-Version", "X-Stainless-Async",
)  # fmt: skip
"""Headers about the machine that asks: nobody needs them, and they take time."""

_OPTIONS: RequestOptions = {"idempotency_key": "none"}
"""The client draws a random key for each call, which costs a fifth of its time, and sends none of them."""

_Response = tuple[int, Mapping[str, str], bytes]
"""The status, headers and content of a response."""

_MOST_TEXT = 1000
"""Bytes that are read of an error that is no JSON."""

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Endpoint:
    """An open endpoint, within the event loop that it was opened in.

    `address` is where the bodies go; `place` how it is called in messages, `key_env` where its key comes from.
    """

    client: "_Client"
    address: str
    place: str
    key_env: str
    timeout: float
    redactor: Redactor

    async def call(self, body: Mapping[str, Any]) -> Outcome:
        """Send a body once and judge what comes back.

        Raises ModelError, with one whole line, where no call can succeed.
        """
        try:
            return await self._call(body)
        except ModelError as error:
            raise ModelError(f"{self.place}: {error}") from None

    async def _call(self, body: Mapping[str, Any]) -> Outcome:
        try:
            async with asyncio.timeout(self.timeout):
                status, headers, content = await self.client.exchange(self.address, body)
        except TimeoutError:
            return Failed(f"no reply within {self.timeout:g} s", is_passing=True)
        except _Unreadable as error:
            return Failed(str(error), is_final=True)
        except (openai.APIError, httpx2.HTTPError, aiohttp.ClientError, OSError) as error:
            return _unanswered(error)
        try:
            return judge(status, headers, self._content(content), body)
        except KeyRefused as error:
            raise ModelError(f"{error}: {self._about_the_key()}") from None

    def _content(self, raw: bytes) -> object:
        """The JSON of a response without the key, or its text where it is no JSON."""
        try:
            content: object = json.loads(raw)
        except RecursionError:
            return None
        except ValueError:
            content = raw[:_MOST_TEXT].decode(errors="replace")
            return None if "<" in str(content) else self.redactor.clean(content)  # a page, for people
        return self.redactor.clean(content) if self.redactor.is_in(raw) else content

    def _about_the_key(self) -> str:
        if os.environ.get(self.key_env, "").strip():
            return f"the key in the environment variable {self.key_env} is refused; set a valid one for this model."
        return f"a key is wanted; set the environment variable {self.key_env}, or name another with --key-env."


class _Client(openai.AsyncOpenAI):
    """The official client, which repeats the request of its first call where only the body differs.

    All calls of an endpoint go to one address with the same headers. To copy the options of a call, put its headers
    together anew and pass it through redirects, cookies and signatures that are not used takes the client longer than
    its transport takes to send it and to receive the response. Should its inner parts ever have other names, every
    call is made the plain way, and nothing but time is lost.
    """

    most_bytes: int
    _first: httpx2.Request | None = None
    _transport: httpx2.AsyncBaseTransport | None = None

    async def exchange(self, address: str, body: Mapping[str, Any]) -> _Response:
        """Send a body, and read the response to its end, whatever its status."""
        if self._first is None or self._transport is None:
            try:
                response = await self.post(address, cast_to=httpx2.Response, body=body, options=_OPTIONS)
            except openai.APIStatusError as error:
                response = error.response
            return response.status_code, response.headers, response.content
        response = await self._transport.handle_async_request(_Repeated(self._first, _encode(body)))
        try:
            return response.status_code, response.headers, await _content(response, self.most_bytes)
        finally:
            await response.aclose()

    async def keep_small(self, response: httpx2.Response) -> None:
        """Read a response of the plain way, before the client does, which takes all that comes."""
        stream = response.stream
        content = await _content(response, self.most_bytes)
        await stream.aclose()  # type: ignore[union-attr]
        response.stream = httpx2.ByteStream(content)
        response.headers.pop("content-encoding", None)

    def _build_request(self, options: Any, **given: Any) -> httpx2.Request:
        request = super()._build_request(options, **given)
        transport_for = getattr(self._client, "_transport_for_url", None)  # the way through a proxy, where one is set
        if self._first is None and transport_for is not None:
            self._transport = transport_for(request.url)
            self._first = httpx2.Request(request.method, request.url, headers=request.headers)
            del self._first.headers["content-length"]  # aiohttp counts each body's itself
        return request


class _Repeated(httpx2.Request):
    """A request with the address and the headers of another, and a body of its own."""

    content = b""

    def __init__(self, first: httpx2.Request, content: bytes) -> None:
        self.method, self.url, self.headers = first.method, first.url, first.headers
        self.content, self.stream = content, httpx2.ByteStream(content)
        self.extensions = {}  # no limits of time, each of which takes a timer: a call as a whole has one


class _Unreadable(Exception):
    """A response that is too large, or was encoded in a way that was not asked for; the text says which."""


async def _content(response: httpx2.Response, most: int) -> bytes:
    """The content of a response.

    Raises _Unreadable once it has more bytes than `most`, as they were sent or decompressed.
    """
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", "deflate"):
        raise _Unreadable("a reply in an encoding that was not asked for")
    inflate = _Inflate(encoding) if encoding != "identity" else None
    parts, n_sent, n_read = [], 0, 0
    async for part in response.stream:
        n_sent += len(part)
        content = part if inflate is None else inflate.read(part, most + 1 - n_read)
        n_read += len(content)
        if max(n_sent, n_read) > most:
            raise _Unreadable(f"a reply of more than {most / 2**20:g} MiB (--max-body)")
        parts.append(content)
    return b"".join(parts)


class _Inflate:
    """Decompresses gzip, in however many members, and deflate, with its header or without."""

    def __init__(self, encoding: str) -> None:
        self._is_gzip = encoding != "deflate"
        self._stream: Any = None

    def read(self, data: bytes, most: int) -> bytes:
        """What more data gives, but no more than so many bytes."""
        found = bytearray()
        try:
            while data and len(found) < most:
                if self._stream is None or self._stream.eof:
                    self._stream = zlib.decompressobj(self._window_of(data))
                found += self._stream.decompress(data, most - len(found))
                data = self._stream.unused_data
        except zlib.error:
            raise _Unreadable("a reply that cannot be decompressed") from None
        return bytes(found)

    def _window_of(self, data: bytes) -> int:
        """How zlib is to read data that begin so."""
        if self._is_gzip:
            return zlib.MAX_WBITS + 16
        return zlib.MAX_WBITS if data[0] & 15 == zlib.DEFLATED else -zlib.MAX_WBITS


@asynccontextmanager
async def open_endpoint(
    base_url: str, path: str, *, place: str, key_env: str, options: HostedOptions
) -> AsyncIterator[Endpoint]:
    """Open an endpoint, and close it at the end.

    Raises ModelError where the key cannot be one.
    """
    n = options.concurrency
    limits = httpx2.Limits(max_connections=n, max_keepalive_connections=n, keepalive_expiry=20)
    query = urlsplit(base_url).query
    key = read_key(key_env)
    http = openai.DefaultAioHttpClient(limits=limits, follow_redirects=False)
    client = _Client(
        api_key=key or PLACEHOLDER,
        base_url=base_url.split("?")[0],
        max_retries=0,
        timeout=httpx2.Timeout(options.timeout, pool=None),
        default_headers={name: openai.Omit() for name in _UNSENT} | {"Accept-Encoding": "gzip, deflate"},  # type: ignore[arg-type]
        default_query=dict(parse_qsl(query)),
        http_client=http,
    )
    client.most_bytes = options.most_bytes
    http.event_hooks["response"].append(client.keep_small)
    address = base_url.split("?")[0].rstrip("/") + path
    try:
        yield Endpoint(client, address, place, key_env, options.timeout, Redactor(key))
    finally:
        await client.close()


def read_key(key_env: str) -> str | None:
    """The key in an environment variable; None where it is not set.

    Raises ModelError where it holds what no header can: the key itself must not end up in another library's message.
    """
    key = os.environ.get(key_env, "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ModelError(
            f"The environment variable {key_env} holds blanks or signs that no key has; set it to the key alone."
        )
    return key or None


def _encode(body: Mapping[str, Any]) -> bytes:
    return _JSON.encode(body).encode(errors="replace")


def _unanswered(error: BaseException) -> Failed:
    """Why no whole reply came, in words of our own."""
    causes = list(_causes(error))
    if any(
        isinstance(cause, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError) for cause in causes
    ):
        raise ModelError("its certificate is not trusted; check --base-url.") from None
    if any(isinstance(cause, httpx2.UnsupportedProtocol) for cause in causes):
        raise ModelError("is no address that can be called; check --base-url.") from None
    if any(isinstance(cause, aiohttp.ClientConnectorDNSError) for cause in causes):
        return Failed("no such host", is_unreached=True)
    if any(isinstance(cause, aiohttp.ClientConnectorError | httpx2.ConnectError) for cause in causes):
        is_refused = any(isinstance(cause, ConnectionRefusedError) for cause in causes)
        return Failed("the connection is refused" if is_refused else "no connection", is_unreached=True)
    if any(isinstance(cause, aiohttp.ServerTimeoutError) for cause in causes):
        return Failed("no reply in time", is_passing=True)
    if any(isinstance(cause, aiohttp.ClientPayloadError) for cause in causes):
        return Failed("a reply that was cut off")
    return Failed("the connection was closed")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
