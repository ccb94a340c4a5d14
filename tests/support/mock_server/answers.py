"""Answering as the mock server does: completions for what is asked, in the shapes of OpenAI's API."""

import itertools
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.mock_server.options import Faults, MockOptions
from tests.support.mock_server.requests import Asked
from tests.support.mock_server.tokens import (
    END,
    Answers,
    Token,
    Tokenizer,
    answers_of,
    completion_tokens,
    misreport,
    option_span,
    prompt_tokens,
)
from tests.support.mock_server.words import Wording, spoil, word_structured
from worldvaluesbench.models.standin._opinions import Question, opinion_of, read_prompt, uniform_of
from worldvaluesbench.models.standin._server import NO_QUESTION, count_roughly, draw_option, word_answer


@dataclass
class Answering:
    """Whoever answers at a running server. It remembers how many unseeded samples of a prompt it drew.

    The sample with seed s is the same for the same prompt, whichever request it comes with: of n completions, sample j
    has the request's seed plus j. Without a seed the samples of a prompt are counted through.
    """

    options: MockOptions
    faults: Faults
    counts: Counter[str]
    _drawn: Counter[int] = field(default_factory=Counter)
    _ids: "itertools.count[int]" = field(default_factory=itertools.count)

    def answer(self, asked: Asked) -> dict[str, Any]:
        """The body of the response."""
        choices: list[dict[str, Any]] = []
        n_prompt: list[int] = []
        n_completion: list[int] = []
        for prompt in asked.prompts:
            n_prompt.append(count_roughly(prompt))
            for sample in self._samples(asked, prompt):
                choice, n_tokens = self._choice(asked, prompt, sample)
                choices.append({"index": len(choices)} | choice)
                n_completion.append(n_tokens)
        self.counts["completions"] += len(choices)
        return {
            "id": f"{'chatcmpl' if asked.is_chat else 'cmpl'}-mock{next(self._ids)}",
            "object": "chat.completion" if asked.is_chat else "text_completion",
            "created": int(time.time()),
            "model": self.options.named or asked.model,
            "choices": choices,
            "usage": self._usage(n_prompt, n_completion, asked.n),
        }

    def _usage(self, n_prompt: list[int], n_completion: list[int], n: int) -> dict[str, Any] | None:
        """The tokens that are reported for so many of each prompt and of each of its `n` completions."""
        usage = self.options.usage
        if usage == "none":
            return None
        prompt, completion = sum(n_prompt) * (n if usage == "prompts" else 1), sum(n_completion)
        if usage == "first":
            prompt, completion = n_prompt[0], n_completion[0]
        counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        return {"prompt_tokens": -1, "completion_tokens": 10**30, "total_tokens": True} if usage == "odd" else counts

    def _samples(self, asked: Asked, prompt: str) -> range:
        """The numbers of the samples to draw."""
        if asked.seed is not None or asked.temperature == 0:
            first = asked.seed or 0
        else:
            place = hash((asked.model, prompt))
            first = self._drawn[place]
            self._drawn[place] += asked.n
        return range(first, first + asked.n)

    def _choice(self, asked: Asked, prompt: str, sample: int) -> tuple[dict[str, Any], int]:
        """One choice without its index, and its number of tokens."""
        case = read_prompt(prompt)
        question = case[0] if case else None
        opinion = opinion_of(asked.model, *case, self.options.seed) if case else ()
        wording = self._wording(asked, prompt, question, opinion, sample)
        answers = self._answers(asked, question, opinion, _blank_at(wording.text, wording.span))
        wording, tokens = _limited(wording, asked, answers, self._tokenizer)
        n_tokens = len(tokens) if tokens else count_roughly(wording.text)
        if asked.echo:
            echoed = self._echoed(asked, prompt, question, opinion)
            wording, tokens = Wording(prompt + wording.text, None, wording.finish_reason), [*echoed, *tokens]
        if self.options.misreport is not None:
            tokens = misreport(tokens, self.options.misreport, is_echo=asked.echo)
        if "logprobs" in self.options.without or asked.top is None:
            return _choice_of(wording, asked, None), n_tokens
        return _choice_of(wording, asked, tokens), n_tokens

    @property
    def _tokenizer(self) -> Tokenizer:
        return Tokenizer(self.options.digit_splitting)

    def _answers(self, asked: Asked, question: Question | None, opinion: Sequence[float], lead: str) -> Answers | None:
        """The options as tokens; None where no log-probabilities are requested, or the prompt has no question."""
        if asked.top is None or question is None:
            return None
        return answers_of(question, opinion, lead, self._tokenizer)

    def _wording(
        self, asked: Asked, prompt: str, question: Question | None, opinion: Sequence[float], sample: int
    ) -> Wording:
        fault = None if asked.echo else self.faults.next_of_completion()
        if fault:
            self.counts[fault] += 1
        is_greedy = asked.temperature == 0
        told = prompt if asked.seed is None else ""  # a seeded draw depends on the seed alone, as on real servers
        uniform = 0.0 if is_greedy else uniform_of(self.options.seed, asked.model, sample, told)
        variant = len(prompt) + sample if is_greedy else int(uniform * 1e9)
        if question is None:
            return spoil(Wording(NO_QUESTION), fault, variant)
        place = draw_option(opinion, asked.temperature, uniform)
        if asked.schema is not None:
            return spoil(word_structured(asked.schema, question, opinion, place, variant=variant), fault, variant)
        lead = "" if asked.is_chat or prompt[-1:].isspace() else " "
        return spoil(Wording(*word_answer(question, opinion, place, variant=variant, lead=lead)), fault, variant)

    def _echoed(self, asked: Asked, prompt: str, question: Question | None, opinion: Sequence[float]) -> list[Token]:
        """The tokens of the prompt, where they are requested."""
        if asked.top is None:
            return []
        span = option_span(prompt, question) if question else None
        answers = self._answers(asked, question, opinion, _blank_at(prompt, span))
        return prompt_tokens(prompt, span, answers, self._tokenizer)


def _blank_at(text: str, span: tuple[int, int] | None) -> str:
    """The blank that an answer in a text begins with; nothing where there is none."""
    return " " if span is not None and text[span[0]] == " " else ""


def _limited(
    wording: Wording, asked: Asked, answers: Answers | None, tokenizer: Tokenizer
) -> tuple[Wording, list[Token]]:
    """A completion up to its first stop text and its last token allowed; tokens only where they are needed."""
    text, finish_reason = wording.text, wording.finish_reason
    places = [text.find(stop) for stop in asked.stop if stop and stop in text]
    if places:
        text = text[: min(places)]
    # a token has at least one character
    may_be_long = asked.max_tokens is not None and len(text) >= asked.max_tokens
    if asked.top is None and not may_be_long:
        return Wording(text, wording.span, finish_reason), []
    tokens = completion_tokens(text, wording.span, answers if asked.top is not None else None, tokenizer)
    if asked.max_tokens is not None and len(tokens) >= asked.max_tokens:
        tokens = tokens[: asked.max_tokens]
        text = "".join(token.text for token in tokens if token.text != END)
        # without room for the end that follows, no server can know that a text has ended
        finish_reason = finish_reason if places or (tokens and tokens[-1].text == END) else "length"
    return Wording(text, None, finish_reason), tokens


def _choice_of(wording: Wording, asked: Asked, tokens: list[Token] | None) -> dict[str, Any]:
    """A choice in the shape of its endpoint. Without tokens a chat has no field for them, as on servers without any."""
    top = asked.top or 0
    if not asked.is_chat:
        logprobs = None if tokens is None else _plain_logprobs(tokens, top)
        return {"text": wording.text, "logprobs": logprobs, "finish_reason": wording.finish_reason}
    message = {"role": "assistant", "content": wording.text, "refusal": None}
    choice: dict[str, Any] = {"message": message, "finish_reason": wording.finish_reason}
    if tokens is not None:
        choice["logprobs"] = {"content": [_chat_token(token, top) for token in tokens], "refusal": None}
    return choice


def _chat_token(token: Token, top: int) -> dict[str, Any]:
    tops = [_chat_entry(text, logprob) for text, logprob in token.top[:top]]
    return _chat_entry(token.text, token.logprob) | {"top_logprobs": tops}


def _chat_entry(text: str, logprob: float | None) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}


def _plain_logprobs(tokens: Sequence[Token], top: int) -> dict[str, Any]:
    return {
        "tokens": [token.text for token in tokens],
        "token_logprobs": [None if math.isnan(token.logprob) else token.logprob for token in tokens],
        "top_logprobs": [None if math.isnan(token.logprob) else _plain_top(token, top) for token in tokens],
        "text_offset": _offsets(tokens),
    }


def _plain_top(token: Token, top: int) -> dict[str, float | None]:
    """The likeliest tokens and the one that stands there, as OpenAI and vLLM give them."""
    return dict(token.top[:top]) | {token.text: token.logprob}


def _offsets(tokens: Sequence[Token]) -> list[int]:
    ends = list(itertools.accumulate(len(token.text) for token in tokens))
    return [0, *ends[:-1]] if ends else []
