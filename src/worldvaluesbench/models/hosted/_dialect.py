"""A dialect: how an endpoint wants a request put, learned from what it refuses.

What it learns changes the form of a call only, never what is asked: the name of a limit, how many completions or
alternatives come in one call. A refused temperature, stop or schema is an error that says what to do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from worldvaluesbench.models import TOP_LOGPROBS, Endpoint, chat_body, completion_body, echo_body
from worldvaluesbench.models.hosted._outcomes import Refused
from worldvaluesbench.prompts import Request

MOST_IN_ONE_CALL = 128
"""How many completions are asked for in one call, at most: what the best known endpoint allows."""

_LOWER_TOP = (20, 10, 8, 5, 4, 3, 2)
_LOWER_N = (64, 32, 16, 8, 4, 2, 1)

Body = Mapping[str, Any]


@dataclass
class Dialect:
    """How bodies for one model at one endpoint are made, as far as is known."""

    model: str
    endpoint: Endpoint
    top_logprobs: int = TOP_LOGPROBS
    most_completions: int = MOST_IN_ONE_CALL
    limit_name: str = "max_tokens"
    takes_lists: bool = True
    template_kwargs: Mapping[str, Any] | None = None
    _refused_limits: set[str] = field(default_factory=set)

    def body_of(self, request: Request) -> Body:
        """The body for a request of completions or token probabilities; of no more of them than one call can bring."""
        if request.n > self.most_completions:
            request = replace(request, n=self.most_completions)
        if self.endpoint == "completions":
            return completion_body(request, self.model, top_logprobs=self.top_logprobs)
        body = chat_body(request, self.model, top_logprobs=self.top_logprobs, template_kwargs=self.template_kwargs)
        if "max_tokens" in body and self.limit_name != "max_tokens":
            body[self.limit_name] = body.pop("max_tokens")
        return body

    def echo_of(self, request: Request, options: range) -> Body:
        """The body for the likelihood of some options, given by their places."""
        bodies = [echo_body(request, self.model, option) for option in options]
        return bodies[0] | ({"prompt": [body["prompt"] for body in bodies]} if len(bodies) > 1 else {})

    def learn(self, refused: Refused, sent: Body) -> None:
        """Learn from a refusal how the same can be put otherwise, if it can."""
        name = refused.parameter
        if name in ("max_tokens", "max_completion_tokens"):
            self._rename_limit(name)
        elif name in ("logprobs", "top_logprobs") and "echo" not in sent:
            self._ask_fewer(sent["top_logprobs"] if self.endpoint == "chat" else sent["logprobs"])
        elif name == "n":
            self.came(sent["n"], _lower(sent["n"], _LOWER_N))
        elif isinstance(sent.get("prompt"), list):
            self.takes_lists = False

    def came(self, wanted: int, given: int) -> None:
        """Learn from a reply with fewer completions than were wanted."""
        if given < wanted:
            self.most_completions = min(self.most_completions, max(1, given))

    def _rename_limit(self, name: str) -> None:
        self._refused_limits.add(name)
        left = {"max_tokens", "max_completion_tokens"} - self._refused_limits
        if left:
            (self.limit_name,) = left

    def _ask_fewer(self, sent: int) -> None:
        # calls in flight together are refused together: each lowers what itself had sent
        fewer = _lower(sent, _LOWER_TOP)
        if fewer < sent:
            self.top_logprobs = min(self.top_logprobs, fewer)


def _lower(number: int, ladder: tuple[int, ...]) -> int:
    """The next lower number on a ladder; on its lowest the same number."""
    return next((rung for rung in ladder if rung < number), number)
