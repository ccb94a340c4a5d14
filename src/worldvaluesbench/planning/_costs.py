"""What asking a plan will take, said before the first request: requests, tokens, money, time.

Prompt tokens are counted with a tokenizer where one is available, else estimated from the number of characters. The
length of completions is never known before; what is assumed of them is in the result.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worldvaluesbench.errors import ModelError, RunError
from worldvaluesbench.planning._plan import Plan
from worldvaluesbench.prompts import Request, Settings

CHARACTERS_PER_TOKEN = 4
"""What is assumed where no tokenizer is available; right for English prose within a fifth or so."""

MAX_COUNTED = 2_000
"""How many prompts are counted at most; a larger plan is estimated from so many of them at even distances."""

TOKENS_OF_JSON = 60
"""The assumed length of a completion of JSON with an explanation of at most 30 words and a rating."""

TOKENS_OF_SHARE = 12
"""The assumed length of each scale point's share in a completion that states them all."""

CountTokens = Callable[[str], int | None]


@dataclass(frozen=True, slots=True)
class Costs:
    """What a plan takes, unparsed completions asked again apart.

    `prompt_tokens` are those sent over all requests. `is_estimate`: they were estimated, because no tokenizer was
    available (not `has_tokenizer`) or only `n_counted` of the prompts were counted. `completion_tokens` are always
    assumed, at `tokens_each` for a completion on average; `most_completion_tokens` is their limit (None: there is
    none).

    `cost` and `most_cost`, in the unit of the prices, are None without both prices or without a limit; `seconds` is
    None without a rate. `note` says where items have fewer option orders than the settings (`Plan.note`).
    """

    n_examples: int
    n_requests: int
    n_completions: int
    prompt_tokens: int
    completion_tokens: int
    most_completion_tokens: int | None
    tokens_each: float
    has_tokenizer: bool
    n_counted: int
    is_estimate: bool
    cost: float | None
    most_cost: float | None
    seconds: float | None
    note: str | None = None


def estimate_costs(
    plan: Plan,
    *,
    count_tokens: CountTokens | None = None,
    price_in: float | None = None,
    price_out: float | None = None,
    rate: float | None = None,
) -> Costs:
    """What asking a plan takes.

    `count_tokens` returns the number of tokens of a text, or None where it cannot. Prices are for a million tokens,
    `rate` is in requests a second. `option_likelihood` sends a prompt once for each option.

    Raises RunError for a rate of 0 or less, PromptError where the template fails.
    """
    if rate is not None and not rate > 0:
        raise RunError(f"The rate is {rate}; expected a number of requests a second above 0.")
    has_tokenizer = count_tokens is not None and count_tokens("Which answer?") is not None
    count = count_tokens if has_tokenizer else None
    n_requests, n_completions = plan.n_requests, plan.n_completions
    sent = [_sent(request, count) for request in plan.some_requests(MAX_COUNTED)]
    prompt_tokens = round(sum(sent) / len(sent) * n_requests)
    completion_tokens, most = _completion_tokens(plan)

    def cost(received: int | None) -> float | None:
        if price_in is None or price_out is None or received is None:
            return None
        return (prompt_tokens * price_in + received * price_out) / 1_000_000

    return Costs(
        n_examples=plan.n_examples,
        n_requests=n_requests,
        n_completions=n_completions,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        most_completion_tokens=most,
        tokens_each=completion_tokens / n_completions,
        has_tokenizer=has_tokenizer,
        n_counted=len(sent),
        is_estimate=not has_tokenizer or len(sent) < n_requests,
        cost=cost(completion_tokens),
        most_cost=cost(most),
        seconds=None if rate is None else n_requests / rate,
        note=plan.note,
    )


def load_tokenizer(path: Path | str) -> Callable[[str], int]:
    """A function that counts tokens, from a `tokenizer.json` or the folder of a model that holds one.

    Raises ModelError where there is none, it cannot be read, or the optional package `tokenizers` is absent.
    """
    path = Path(path)
    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        raise ModelError(f"{file}: there is no such file; expected a tokenizer.json or the folder of a model with one.")
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise ModelError(
            f"{file}: reading it needs the package tokenizers; install it, or leave the tokenizer out for an estimate."
        ) from None
    try:
        tokenizer: Any = Tokenizer.from_file(str(file))
    except Exception as error:  # it raises nothing more particular
        first = (str(error).splitlines() or [type(error).__name__])[0][:100]
        raise ModelError(f"{file}: is no tokenizer ({first}); expected a tokenizer.json of Hugging Face.") from None
    # a tokenizer may cut texts short or fill them up for training
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text).ids)


def _sent(request: Request, count: CountTokens | None) -> float:
    """The tokens that a request sends."""
    prompt = _tokens(request.prompt, count)
    if request.method != "option_likelihood":
        return prompt
    return sum(prompt + _tokens(option, count) for option in request.options)


def _tokens(text: str, count: CountTokens | None) -> float:
    counted = None if count is None else count(text)
    return len(text) / CHARACTERS_PER_TOKEN if counted is None else counted


def _completion_tokens(plan: Plan) -> tuple[int, int | None]:
    """The tokens of all completions: as assumed, and at most (None: there is no limit)."""
    assumed, most = 0, 0
    has_limit = plan.settings.max_tokens is not None or plan.settings.method == "option_likelihood"
    counts = (plan.n_by_question * plan.n_each).tolist()
    for question, n_completions in zip(plan.questions, counts, strict=True):
        each, limit = _length(plan.settings, len(question.forms[0].options))
        assumed += n_completions * each
        most += n_completions * limit
    return assumed, most if has_limit else None


def _length(settings: Settings, n_options: int) -> tuple[int, int]:
    """The assumed length of a completion in tokens, and the most that it can have (0: there is no limit)."""
    limit = settings.max_tokens
    if settings.method == "option_likelihood":
        return n_options, n_options  # an endpoint generates one token with each echoed prompt
    if settings.method == "verbalised":
        assumed = TOKENS_OF_SHARE * n_options
    else:
        assumed = limit if settings.method == "token_probs" and limit is not None else TOKENS_OF_JSON
    return (assumed, 0) if limit is None else (min(assumed, limit), limit)
