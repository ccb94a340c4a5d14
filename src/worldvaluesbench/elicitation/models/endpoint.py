"""An endpoint: one address that speaks the OpenAI API, called through the official client on its aiohttp transport.

The client's own retries are off, and its replies are read as they are, without its models of them: that takes half of
the time. Redirects are not followed, for prompts hold respondents' attributes.
"""

import asyncio
import json
import os
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import httpx2
import openai
from openai import RequestOptions

from worldvaluesbench.elicitation.models.outcomes import Failed, Outcome, judge
from worldvaluesbench.errors import ModelError

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
            return Failed(f"no reply within {self.timeout:g} s")
        except (openai.APIError, httpx2.HTTPError, aiohttp.ClientError, OSError) as error:
            return _unanswered(error)
        if status == 401:
            raise ModelError(f"HTTP 401: {self._about_the_key()}")
        return judge(status, headers, _json(content), body)

    def _about_the_key(self) -> str:
        if os.environ.get(self.key_env, "").strip():
            return f"the key in the environment variable {self.key_env} is refused; set a valid one."
        return f"a key is wanted; set the environment variable {self.key_env}, or name another with --key-env."


class _Client(openai.AsyncOpenAI):
    """The official client, which repeats the request of its first call where only the body differs.

    All calls of an endpoint go to one address with the same headers. To copy the options of a call, put its headers
    together anew and pass it through redirects, cookies and signatures that are not used takes the client longer than
    its transport takes to send it and to receive the response. Should its inner parts ever have other names, every
    call is made the plain way, and nothing but time is lost.
    """

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
            return response.status_code, response.headers, await _content(response)
        finally:
            await response.aclose()

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


async def _content(response: httpx2.Response) -> bytes:
    if isinstance(response.stream, httpx2.AsyncByteStream) and "content-encoding" not in response.headers:
        return b"".join([part async for part in response.stream])  # aread has layers for what is decoded
    return await response.aread()


@asynccontextmanager
async def open_endpoint(
    base_url: str, path: str, *, place: str, key_env: str, timeout: float, connections: int
) -> AsyncIterator[Endpoint]:
    """Open an endpoint for as many connections, and close it at the end.

    Raises ModelError where the key cannot be one.
    """
    limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=20)
    query = urlsplit(base_url).query
    client = _Client(
        api_key=read_key(key_env) or PLACEHOLDER,
        base_url=base_url.split("?")[0],
        max_retries=0,
        timeout=httpx2.Timeout(timeout, pool=None),
        default_headers={name: openai.Omit() for name in _UNSENT},  # type: ignore[misc]
        default_query=dict(parse_qsl(query)),
        http_client=openai.DefaultAioHttpClient(limits=limits, follow_redirects=False),
    )
    address = base_url.split("?")[0].rstrip("/") + path
    try:
        yield Endpoint(client, address, place, key_env, timeout)
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


def _json(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


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
        return Failed("no reply in time")
    if any(isinstance(cause, aiohttp.ClientPayloadError) for cause in causes):
        return Failed("a reply that was cut off")
    return Failed("the connection was closed")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
