"""An endpoint: one address that speaks the OpenAI API, called with aiohttp.

Redirects are not followed, because prompts hold respondents' attributes. No more is read of a reply than `most_bytes`,
compressed or not, and the key is removed from it before anything else reads it.
"""

import asyncio
import json
import os
import ssl
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from worldvaluesbench._version import __version__
from worldvaluesbench.errors import ModelError
from worldvaluesbench.models import Redactor
from worldvaluesbench.models.hosted._outcomes import Failed, KeyRefused, Outcome, about_the_key, judge
from worldvaluesbench.models.hosted._pace import HostedOptions

PLACEHOLDER = "none"
"""The key that is sent where there is none: some servers require the header and ignore its value."""

_MOST_TEXT = 1000
"""Bytes that are read of an error that is not JSON."""

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Endpoint:
    """An open endpoint, within the event loop that it was opened in.

    `place` is its name in messages, `key_env` the environment variable of its key.
    """

    session: aiohttp.ClientSession
    address: str
    proxy: str | None
    place: str
    key_env: str
    options: HostedOptions
    redactor: Redactor

    async def call(self, body: Mapping[str, Any]) -> Outcome:
        """Send a body once and judge what comes back.

        Raises ModelError, with one whole line, where no call can succeed.
        """
        data = _JSON.encode(body).encode(errors="replace")  # a lone surrogate cannot be sent
        try:
            async with (
                asyncio.timeout(self.options.timeout),
                self.session.post(self.address, data=data, proxy=self.proxy, allow_redirects=False) as response,
            ):
                raw = await _content(response, self.options.most_bytes)
        except TimeoutError:
            return Failed(f"no reply within {self.options.timeout:g} s", is_passing=True)
        except _Unreadable as error:
            return Failed(str(error), is_final=True)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return self._unanswered(error)
        try:
            return judge(response.status, response.headers, self._parsed(raw), body)
        except KeyRefused as error:
            raise ModelError(f"{self.place}: {error}: {about_the_key(self.key_env)}") from None
        except ModelError as error:
            raise ModelError(f"{self.place}: {error}") from None

    def _parsed(self, raw: bytes) -> object:
        """The JSON of a reply without the key, or its text where it is not JSON."""
        try:
            content: object = json.loads(raw)
        except RecursionError:
            return None
        except ValueError:
            content = raw[:_MOST_TEXT].decode(errors="replace")
            return None if "<" in str(content) else self.redactor.clean(content)  # HTML is for people
        return self.redactor.clean(content) if self.redactor.is_in(raw) else content

    def _unanswered(self, error: Exception) -> Failed:
        """Why no whole reply came."""
        if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
            raise ModelError(f"{self.place}: its certificate is not trusted; check --base-url.") from None
        if isinstance(error, aiohttp.InvalidURL | ValueError):
            raise ModelError(f"{self.place}: the address cannot be called; check --base-url.") from None
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            return Failed("no such host", is_unreached=True)
        if isinstance(error, aiohttp.ClientConnectorError):
            is_refused = isinstance(error.os_error, ConnectionRefusedError)
            return Failed("the connection is refused" if is_refused else "no connection", is_unreached=True)
        if isinstance(error, aiohttp.ClientPayloadError):
            return Failed("a reply that was cut off")
        return Failed("the connection was closed")


class _Unreadable(Exception):
    """A reply that is too large, or in an encoding that was not asked for; the text says which."""


async def _content(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The content of a reply.

    Raises _Unreadable once it has more bytes than `most`, as they were sent or decompressed.
    """
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity" and (response.content_length or most) < most:
        return await response.read()
    if encoding not in ("identity", "gzip", "x-gzip", "deflate"):
        raise _Unreadable("a reply in an encoding that was not asked for")
    inflate = _Inflate(encoding) if encoding != "identity" else None
    parts, n_sent, n_read = [], 0, 0
    async for part in response.content.iter_any():
        n_sent += len(part)
        content = part if inflate is None else inflate.read(part, most + 1 - n_read)
        n_read += len(content)
        if max(n_sent, n_read) > most:
            raise _Unreadable(f"a reply of more than {most / 2**20:g} MiB (--max-body)")
        parts.append(content)
    return b"".join(parts)


class _Inflate:
    """Decompresses gzip, with any number of members, and deflate, with its header or without, up to a size."""

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
    key = read_key(key_env)
    base, _, query = base_url.partition("?")
    address = base.rstrip("/") + path + (f"?{query}" if query else "")
    headers = {
        "Authorization": f"Bearer {key or PLACEHOLDER}",
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Accept-Encoding": "gzip, deflate",
        "User-Agent": f"worldvaluesbench/{__version__}",
    }
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=options.concurrency, keepalive_timeout=20),
        timeout=aiohttp.ClientTimeout(),  # a call as a whole has one
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    ) as session:
        yield Endpoint(session, address, _proxy_for(address), place, key_env, options, Redactor(key))


def _proxy_for(address: str) -> str | None:
    """The proxy that the environment names for an address."""
    parts = urlsplit(address)
    if proxy_bypass(parts.hostname or ""):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def read_key(key_env: str) -> str | None:
    """The key in an environment variable; None where it is not set.

    Raises ModelError where it holds what no header can, so that the key is in no other library's message.
    """
    key = os.environ.get(key_env, "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ModelError(
            f"The environment variable {key_env} holds blanks or characters that no key has; set it to the key alone."
        )
    return key or None
