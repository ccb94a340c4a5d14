"""The reading of a completion by each elicitation method: a rating, a distribution, or why there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from worldvaluesbench.parsing._rating import Unparsed, parse_rating, read_answer
from worldvaluesbench.parsing._shares import Distribution, parse_shares
from worldvaluesbench.parsing._symbols import has_numbers, reader_of
from worldvaluesbench.prompts import AnswerOption, Completion, Method
from worldvaluesbench.stats import Scale


@dataclass(frozen=True, slots=True)
class Rating:
    """A rating on the item's scale, as a completion gives it."""

    rating: int


Reading = Rating | Distribution | Unparsed
"""What one completion, or one set of probabilities, says."""


def read_completion(
    completion: Completion, choices: tuple[AnswerOption, ...], scale: Scale, method: Method, asked: str | None = None
) -> Reading:
    """Read a completion: stated shares (`verbalised`), else a rating by number, letter or words, as `choices` are.

    `asked` is the key under which the prompt asked for the answer (`asked_key`), where it did.
    """
    text, finish_reason = completion.text, completion.finish_reason
    if method == "verbalised":
        return parse_shares(text, choices, finish_reason=finish_reason)
    if has_numbers(choices):
        read = parse_rating(text, scale, labels=_labels(choices), finish_reason=finish_reason, asked=asked)
    else:
        read = read_answer(text, reader_of(choices, asked), finish_reason)
    return read if isinstance(read, Unparsed) else Rating(read)


def answer_schema(choices: Sequence[AnswerOption], method: Method = "sampled") -> Mapping[str, object]:
    """The JSON schema that holds an answer to these choices, for servers with structured output.

    `verbalised`: a number for each symbol. Other methods: `explanation`, then `answer`, one of the symbols (whole
    numbers where they are ratings). Strict: all keys are required, and there are no others.
    """
    answer: dict[str, object] = {"type": "string", "enum": [choice.symbol for choice in choices]}
    if has_numbers(choices):
        answer = {"type": "integer", "enum": [choice.rating for choice in choices]}
    properties: dict[str, object] = {"explanation": {"type": "string"}, "answer": answer}
    if method == "verbalised":
        properties = {choice.symbol: {"type": "number"} for choice in choices}
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
