"""Hosted: a model behind an OpenAI-compatible endpoint, asked over HTTP.

Nothing is opened before the first request. The key is read from the environment at that time; it is in no description,
message or log line.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from os import environ
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from worldvaluesbench.errors import ModelError
from worldvaluesbench.models import URLS, Endpoint, check_endpoint, describe_template
from worldvaluesbench.models.hosted._background import replies_from
from worldvaluesbench.models.hosted._dialect import Dialect
from worldvaluesbench.models.hosted._outcomes import about_the_key
from worldvaluesbench.models.hosted._pace import HostedOptions as HostedOptions
from worldvaluesbench.models.hosted._pace import RateLimiter, RetryPolicy
from worldvaluesbench.prompts import METHODS, Method, Reply, Request

if TYPE_CHECKING:
    from worldvaluesbench.models.hosted._session import Session

KEY_ENV = "OPENAI_API_KEY"
DEFAULT_URL = "https://api.openai.com/v1"
DEFAULT_HOST = "api.openai.com"


@dataclass(frozen=True)
class HostedModel:
    """A `Model` behind an endpoint that speaks the OpenAI API.

    `base_url` None: that of the environment variable OPENAI_BASE_URL, else OpenAI's own. `key_env` names the
    environment variable with the key. `endpoint`: `chat`, or `completions` for models that continue a text, which alone
    can answer by `option_likelihood`, if the endpoint echoes. `chat_template_kwargs`: variables, such as
    `enable_thinking`, for the chat template of a server that takes them (vLLM, SGLang, llama.cpp).

    Raises ModelError for an address that cannot be one, or holds what belongs into the environment.
    """

    name: str
    base_url: str | None = None
    key_env: str = KEY_ENV
    endpoint: Endpoint = "chat"
    options: HostedOptions = field(default_factory=HostedOptions)
    chat_template_kwargs: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        check_endpoint(self.endpoint, self.chat_template_kwargs)
        _check_address(self._address)

    @property
    def methods(self) -> frozenset[Method]:
        """The elicitation methods that its kind of endpoint can answer."""
        return frozenset(METHODS) - ({"option_likelihood"} if self.endpoint == "chat" else set())

    @property
    def place(self) -> str:
        """The model and where it is, as messages name it."""
        return f"{self.name} at {self._address.split('?')[0]}"

    def describe(self) -> Mapping[str, object]:
        """Its name and address, and the variables of its chat template."""
        return {
            "backend": "hosted",
            "model": self.name,
            "base_url": self._address.split("?")[0],
            "endpoint": self.endpoint,
        } | describe_template(self.chat_template_kwargs)

    def replies(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """A reply for every request, as they arrive; see `Model.replies`.

        Requests are taken in the caller's thread. When they end, what is in flight is still yielded; closing the
        iterator cancels it. Once they are withdrawn (`Model.replies`) nothing more is sent.
        """
        return replies_from(
            self._open,
            self._checked(requests),
            self.options.concurrency,
            lambda: bool(getattr(requests, "is_withdrawn", False)),
        )

    def count_tokens(self, text: str) -> int | None:  # noqa: ARG002 - of the protocol
        """None: no tokenizer is at hand."""
        return None

    @property
    def _address(self) -> str:
        given = environ.get("OPENAI_BASE_URL") or DEFAULT_URL if self.base_url is None else self.base_url
        return given.rstrip("/")

    def _checked(self, requests: Iterable[Request]) -> Iterator[Request]:
        if urlsplit(self._address).hostname == DEFAULT_HOST and not environ.get(self.key_env, "").strip():
            raise ModelError(f"{self.place}: {about_the_key(self.key_env)}")
        for request in requests:
            if request.method not in self.methods:
                raise ModelError(
                    f"{self.place}: a {self.endpoint} endpoint cannot answer by {request.method}; where the server "
                    f"echoes prompts, give --endpoint completions."
                )
            yield request

    @asynccontextmanager
    async def _open(self) -> "AsyncIterator[Session]":
        from worldvaluesbench.models.hosted._calls import Calls
        from worldvaluesbench.models.hosted._endpoint import open_endpoint
        from worldvaluesbench.models.hosted._session import Session

        options = self.options
        limit_name = "max_completion_tokens" if options.is_reasoning else "max_tokens"
        dialect = Dialect(
            self.name,
            self.endpoint,
            top_logprobs=options.top_logprobs,
            limit_name=limit_name,
            template_kwargs=self.chat_template_kwargs,
        )
        async with open_endpoint(
            self._address,
            URLS[self.endpoint].removeprefix("/v1"),
            place=self.place,
            key_env=self.key_env,
            options=options,
        ) as endpoint:
            limiter = RateLimiter(options.requests_per_minute, options.tokens_per_minute)
            policy = RetryPolicy(options.retries, options.initial_backoff)
            yield Session(Calls(endpoint, dialect, limiter, policy, options.concurrency), options.deadline)


def _check_address(address: str) -> None:
    """Raise ModelError unless it is one; never with what may be secret in it."""
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ModelError("The base URL is not an address; expected one such as http://localhost:8000/v1.")
    if parts.username or parts.password:
        raise ModelError(
            "The base URL holds a user or password; put the key into the environment variable that --api-key-env names."
        )
    if any(name != "api-version" for name, _ in parse_qsl(parts.query, keep_blank_values=True)) or parts.fragment:
        raise ModelError(
            "The base URL holds a query other than api-version; put keys into the environment variable that "
            "--api-key-env names."
        )
