"""A budget: how much a run may cost, counted before a request is given and after its reply is there.

Before a request is given the most that it can cost is set aside; its reply replaces that by its actual cost. So the
spend never exceeds the maximum, whatever is in flight, as long as the prices are right and the model charges no more
than its prompt and `max_tokens` for each completion. What cannot be known is not counted: replies that a killed process
had in flight, and failed calls before the one that brought the reply.
"""

import json
import math
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from worldvaluesbench.errors import RunError
from worldvaluesbench.prompts import Reply, Request, Settings

BYTES_PER_TOKEN = 3
"""Bytes of a prompt that count as a token; real tokens are longer in nearly every language."""

FRAME_TOKENS = 16
"""Tokens that an endpoint puts around a prompt (roles, turns), at most."""

_EACH_OPTION = "option_likelihood"

CostIs = Literal["exact", "at most", "at least"]
"""What a cost is: the reported tokens at the prices; or, where usage is not reported for all completions, a bound."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that a run may cost, over all its sessions, and the prices of a million tokens sent and received.

    Money is in the unit of the prices. `maximum` None: no limit, the spend is only counted.

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
        """Whether both prices are known."""
        return self.price_in is not None and self.price_out is not None

    def check(self, settings: Settings) -> None:
        """Raise RunError where there is a maximum, but completions have no limit on their length."""
        if self.maximum is not None and settings.max_tokens is None and settings.method != _EACH_OPTION:
            raise RunError("A budget needs a limit on the length of completions; give --max-tokens.")

    def cost_of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What so many tokens cost; 0 without prices."""
        return (prompt_tokens * (self.price_in or 0.0) + completion_tokens * (self.price_out or 0.0)) / 1_000_000


def most_tokens(request: Request) -> tuple[int, int]:
    """The most tokens that a request can send and receive, estimated from above; see `BYTES_PER_TOKEN`.

    `option_likelihood` sends the prompt once for each option. A completion without a limit counts as empty; with a
    maximum, `Budget.check` refuses those.
    """
    prompt = _n_tokens(request.prompt) + FRAME_TOKENS
    if request.method == _EACH_OPTION:
        return sum(prompt + _n_tokens(option) for option in request.options), len(request.options)
    schema = _n_tokens(json.dumps(request.schema)) if request.schema else 0
    return prompt + schema, (request.sampling.max_tokens or 0) * request.n


class Spending:
    """What a run has cost so far and what is set aside for requests in flight; threads may share it.

    `n_received` counts completions, retries included, and `n_without_usage` those of them for which the model did not
    report the tokens of prompt and completion; the tokens are those that it did report.
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
        self._lock = Lock()  # a model with an event loop takes requests in another thread

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
        """Count what a reply cost: its reported tokens; else the most it can have, or nothing for a failure."""
        sent, received, request = reply.prompt_tokens, reply.completion_tokens, reply.request
        is_unlimited = request.sampling.max_tokens is None and request.method != _EACH_OPTION
        n = 0 if reply.failure is not None else max(1, len(reply.completions))
        has_usage = sent is not None and received is not None
        most = (0, 0) if has_usage or is_unlimited or n == 0 or not self.budget.has_prices else most_tokens(request)
        cost = self.budget.cost_of(most[0] if sent is None else sent, most[1] if received is None else received)
        with self._lock:
            self.n_received += n
            if not has_usage and n:
                self.n_without_usage += n
                self._is_unlimited |= is_unlimited
            self.prompt_tokens += sent or 0
            self.completion_tokens += received or 0
            self._spent += cost
            self._sum_aside -= self._aside.pop(_key(request), 0.0)
            if not self._aside:
                self._sum_aside = 0.0  # no rest of rounding


def _n_tokens(text: str) -> int:
    return -(-len(text.encode(errors="replace")) // BYTES_PER_TOKEN)


def _key(request: Request) -> tuple[str, int, int]:
    return request.request_id, request.first_sample, request.attempt
