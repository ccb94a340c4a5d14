"""A budget: how much a run may cost, counted before a request is given and after its reply is there.

Before a request is given the most that it can cost is set aside; its reply replaces that by what it did cost. So the
spend never goes over the maximum, whatever is in flight, as long as the prices are right and the model charges no more
than its prompt and `max_tokens` for each completion. What cannot be known is not counted: replies that a killed process
had in flight, and calls that a model made in vain before the one that it replied with.
"""

import json
import math
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from worldvaluesbench.errors import RunError
from worldvaluesbench.prompts import Reply, Request, Settings

BYTES_PER_TOKEN = 3
"""A token is counted for every so many bytes of a prompt; real ones are longer in nearly every language."""

FRAME_TOKENS = 16
"""Tokens that an endpoint puts around a prompt (roles, turns), at most."""

_MILLION = 1_000_000
_EACH_OPTION = "option_likelihood"

CostIs = Literal["exact", "at most", "at least"]
"""What a cost is: the reported tokens at the prices; or, where usage is not reported for all completions, a bound."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that a run may cost, over all its sessions, and the prices of a million tokens sent and received.

    Money is in whatever unit the prices are in. `maximum` None: no limit, the spend is only counted.

    Raises RunError for a negative number, or a maximum without both prices.
    """

    maximum: float | None = None
    price_in: float | None = None
    price_out: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("budget", self.maximum), ("price in", self.price_in), ("price out", self.price_out)):
            if value is not None and not (value >= 0 and math.isfinite(value)):
                raise RunError(f"The {name} is {value}; expected a number from 0.")
        if self.maximum is not None and not self.has_prices:
            raise RunError("A budget needs prices to count with; give --price-in and --price-out, per million tokens.")

    @property
    def has_prices(self) -> bool:
        """Whether a cost can be said."""
        return self.price_in is not None and self.price_out is not None

    def check(self, settings: Settings) -> None:
        """Raise RunError where no most can be said of what a request costs, and there is a maximum to hold."""
        is_endless = settings.max_tokens is None and settings.method != _EACH_OPTION
        if self.maximum is not None and is_endless:
            raise RunError("A budget needs a limit on the length of completions; give --max-tokens.")

    def cost_of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What so many tokens cost; 0 without prices."""
        price_in, price_out = self.price_in or 0.0, self.price_out or 0.0  # None and 0 cost the same
        return (prompt_tokens * price_in + completion_tokens * price_out) / _MILLION


def most_tokens(request: Request) -> tuple[int, int]:
    """The most tokens that a request can send and receive, estimated from above; see `BYTES_PER_TOKEN`.

    `option_likelihood` sends the prompt once for each option. A completion without a limit counts as empty; with a
    maximum to hold, `Budget.check` refuses those.
    """
    prompt = _n_tokens(request.prompt) + FRAME_TOKENS
    if request.method == _EACH_OPTION:
        sent = sum(prompt + _n_tokens(option) for option in request.options)
        return sent, len(request.options)
    schema = _n_tokens(json.dumps(request.schema)) if request.schema else 0
    return prompt + schema, (request.sampling.max_tokens or 0) * request.n


class Spending:
    """What a run has cost so far and what is set aside for requests in flight; safe to share between threads.

    `n_received` counts completions, those asked again included, and `n_without_usage` those of them for which the model
    did not report the tokens of prompt and completion; the tokens are those that it did report.

    Requests may be taken by another thread than the one that receives replies, as in a model with an event loop.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.n_received = 0
        self.n_without_usage = 0
        self._is_unlimited = False
        self._spent = 0.0
        self._aside: dict[tuple[str, int, int], float] = {}
        self._sum_aside = 0.0
        self._lock = Lock()

    @property
    def spent(self) -> float | None:
        """The cost so far, earlier sessions included; None without prices."""
        return self._spent if self.budget.has_prices else None

    @property
    def cost_is(self) -> CostIs | None:
        """What `spent` is; None without prices.

        Completions without usage count with the most tokens that they can have, or with none where they have no limit.
        """
        if not self.budget.has_prices:
            return None
        if not self.n_without_usage:
            return "exact"
        return "at least" if self._is_unlimited else "at most"

    def set_aside(self, request: Request) -> bool:
        """Set aside the most that a request can cost; False, and nothing is, where the budget has no room for it."""
        if self.budget.maximum is None:
            return True
        most = self.budget.cost_of(*most_tokens(request))
        with self._lock:
            if self._spent + self._sum_aside + most > self.budget.maximum:
                return False
            self._aside[_key(request)] = most
            self._sum_aside += most
            return True

    def settle(self, reply: Reply) -> None:
        """Count what a reply cost; where the model does not say, the most it can have, or nothing for a failure."""
        counts = reply.prompt_tokens, reply.completion_tokens
        cost = self._cost_of(reply)
        n = 0 if reply.failure is not None else max(1, len(reply.completions))
        with self._lock:
            self.n_received += n
            if None in counts and n:
                self.n_without_usage += n
                self._is_unlimited |= _is_unlimited(reply.request)
            self.prompt_tokens += counts[0] or 0
            self.completion_tokens += counts[1] or 0
            self._spent += cost
            self._sum_aside -= self._aside.pop(_key(reply.request), 0.0)
            if not self._aside:
                self._sum_aside = 0.0  # no crumbs of rounding

    def _cost_of(self, reply: Reply) -> float:
        sent, received = reply.prompt_tokens, reply.completion_tokens
        if not self.budget.has_prices:
            return 0.0
        if sent is not None and received is not None:
            return self.budget.cost_of(sent, received)
        if reply.failure is not None or _is_unlimited(reply.request):
            return self.budget.cost_of(sent or 0, received or 0)
        most_sent, most_received = most_tokens(reply.request)
        return self.budget.cost_of(most_sent if sent is None else sent, most_received if received is None else received)


def _is_unlimited(request: Request) -> bool:
    """Whether no most can be said of the tokens of a completion."""
    return request.sampling.max_tokens is None and request.method != _EACH_OPTION


def _n_tokens(text: str) -> int:
    return -(-len(text.encode(errors="replace")) // BYTES_PER_TOKEN)


def _key(request: Request) -> tuple[str, int, int]:
    return request.request_id, request.first_sample, request.attempt
