"""A readout: what a reply says by each method, as ratings, distributions over a scale, or reasons why it says none."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from worldvaluesbench.parsing._entries import asked_key
from worldvaluesbench.parsing._parse import Unparsed, parse_rating, read_answer
from worldvaluesbench.parsing._shares import Distribution, parse_shares
from worldvaluesbench.parsing._symbols import has_numbers, reader_of
from worldvaluesbench.parsing._tokens import read_tokens
from worldvaluesbench.prompts import AnswerOption, Completion, Labels, Method, Reply, Settings, choices_of
from worldvaluesbench.stats import Scale
from worldvaluesbench.survey import Item


@dataclass(frozen=True, slots=True)
class Rating:
    """A rating on the item's scale, as a completion gives it."""

    rating: int


Reading = Rating | Distribution | Unparsed
"""What one completion, or one set of probabilities, says."""


def read_reply(reply: Reply, item: Item, settings: Settings) -> list[tuple[int, Reading]]:
    """Read a reply: each sample with its reading; nothing where the reply is a failure.

    `item` is the one that `reply.request` asks. Takes time proportional to the length of the reply and raises nothing,
    whatever the model said.
    """
    request = reply.request
    if reply.failure is not None:
        return []
    choices = _choices(item, settings.labels, request.order)
    if request.method == "token_probs":
        return [(request.first_sample, read_tokens(reply.tokens, choices))]
    if request.method == "option_likelihood":
        return [(request.first_sample, read_likelihoods(reply.option_logprobs, choices))]
    asked = asked_key(settings.template.text)
    return [
        (sample, read_completion(completion, choices, item.scale, request.method, asked))
        for sample, completion in enumerate(reply.completions, request.first_sample)
    ]


def read_completion(
    completion: Completion, choices: tuple[AnswerOption, ...], scale: Scale, method: Method, asked: str | None = None
) -> Reading:
    """Read a completion: stated shares (`verbalised`), else a rating by number, letter or words, as `choices` are.

    `asked` is the key under which the prompt asked for the answer (`entries.asked_key`), where it did.
    """
    text, finish_reason = completion.text, completion.finish_reason
    if method == "verbalised":
        return parse_shares(text, choices, finish_reason=finish_reason)
    if has_numbers(choices):
        read = parse_rating(text, scale, labels=_labels(choices), finish_reason=finish_reason, asked=asked)
    else:
        read = read_answer(text, reader_of(choices, asked), finish_reason)
    return read if isinstance(read, Unparsed) else Rating(read)


def read_likelihoods(logprobs: Sequence[float], choices: Sequence[AnswerOption]) -> Distribution | Unparsed:
    """The distribution over the options, from the log-probability of each option's full token sequence.

    `logprobs` are in the order of `choices`; the distribution is in that of the scale. `coverage` is their raw sum:
    small where options are long, and no reason to leave an answer out.
    """
    if len(logprobs) != len(choices):
        return Unparsed("no_probabilities", f"{len(logprobs)} for {len(choices)} options")
    highest = max(logprobs)
    if not math.isfinite(highest):
        return Unparsed("no_probabilities", f"none of {len(choices)} options is possible")
    by_rating = {choice.rating: math.exp(logprob - highest) for choice, logprob in zip(choices, logprobs, strict=True)}
    total = math.fsum(by_rating.values())
    probabilities = tuple(by_rating[rating] / total for rating in sorted(by_rating))
    return Distribution(probabilities, min(1.0, total * math.exp(min(highest, 0.0))))


def answer_schema(choices: Sequence[AnswerOption], method: Method = "sampled") -> Mapping[str, object]:
    """The JSON schema that holds an answer to these choices, for servers with structured output.

    `verbalised`: a number for each symbol. Other methods: `explanation`, then `answer`, one of the symbols (whole
    numbers where they are ratings). Strict: all keys are required, and there are no others.
    """
    properties: dict[str, object]
    if method == "verbalised":
        properties = {choice.symbol: {"type": "number"} for choice in choices}
    elif has_numbers(choices):
        answer = {"type": "integer", "enum": [choice.rating for choice in choices]}
        properties = {"explanation": {"type": "string"}, "answer": answer}
    else:
        answer = {"type": "string", "enum": [choice.symbol for choice in choices]}
        properties = {"explanation": {"type": "string"}, "answer": answer}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


@lru_cache(maxsize=2048)
def _labels(choices: tuple[AnswerOption, ...]) -> tuple[str, ...]:
    """The labels in the order of the scale, "" where a point has none of its own."""
    return tuple(choice.label for choice in sorted(choices, key=lambda choice: choice.rating))


_SHOWN: dict[tuple[int, Labels, int], tuple[Item, tuple[AnswerOption, ...]]] = {}
_MOST_SHOWN = 10_000


def _choices(item: Item, labels: Labels, order: int) -> tuple[AnswerOption, ...]:
    """`choices_of`, remembered: there may be millions of replies to a few hundred items."""
    key = id(item), labels, order
    known = _SHOWN.get(key)
    if known is None:
        if len(_SHOWN) >= _MOST_SHOWN:
            _SHOWN.clear()
        # the item is kept with its choices, so that its id stays its own
        known = _SHOWN[key] = item, choices_of(item, labels, order)
    return known[1]
