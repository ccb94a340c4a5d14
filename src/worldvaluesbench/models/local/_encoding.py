"""Prompts and options as tokens, for whatever tokenizer a model has, and the text of each token of its vocabulary.

A prompt is a user's message in the model's chat template, or plain text. Behind a plain prompt an option continues as
a blank and its symbol, in a chat as its symbol: a template ends where the answer begins.

The tokens of an option are found as lm-evaluation-harness finds them: prompt and option are encoded together, and what
comes behind as many tokens as the prompt alone has is the option's. White space at the end of a plain prompt counts as
the option's, for tokenizers join it to what follows.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from worldvaluesbench.errors import ModelError
from worldvaluesbench.models.local._prefixes import Tokens

SAMPLE = "Is 1 more than 2? Answer: "
"""A prompt that is not a user's, to try a tokenizer and a template."""

Encoded = list[tuple[Tokens, list[Tokens]]]
"""For each prompt its tokens, and those of what may follow it."""


@dataclass(frozen=True)
class Vocabulary:
    """The text of every token, by its id, and which of them continue a word that has begun.

    `texts`: of the token at the beginning of an answer; `behind`: what it adds to a text before it. They differ where a
    vocabulary has tokens of its own for the rest of a word (WordPiece: "##0" adds "0" to "1", and "4" adds " 4"). Ids
    without a token have empty texts: a vocabulary may have holes.
    """

    texts: Sequence[str]
    behind: Sequence[str]

    def continuing(self, tokens: Collection[int], *, is_word: bool) -> npt.NDArray[np.bool_]:
        """Which tokens continue what has begun: these, and, where that is a word, all that lengthen a word."""
        chosen = self._lengthens.copy() if is_word else np.zeros(len(self.behind), dtype=np.bool_)
        chosen[list(tokens)] = True
        return chosen

    def beginnings(self, options: Sequence[str], begun: str = "") -> set[int]:
        """The tokens with which an answer that has `begun` so still gives or begins an option, in any case."""
        start = begun.lstrip().casefold()
        wanted = {option.casefold()[:length] for option in options for length in range(1, len(option) + 1)}
        tokens = self._by_text if start else self._by_stripped_text
        behind = (text[len(start) :] for text in wanted if text.startswith(start) and len(text) > len(start))
        return {token for text in behind for token in tokens.get(text, ())}

    @cached_property
    def is_text(self) -> npt.NDArray[np.bool_]:
        """Which ids have a text."""
        return np.array([bool(text) for text in self.texts], dtype=np.bool_)

    @cached_property
    def _lengthens(self) -> npt.NDArray[np.bool_]:
        return np.array([text[:1].isalnum() for text in self.behind], dtype=np.bool_)

    @cached_property
    def _by_text(self) -> dict[str, list[int]]:
        return _places([text.casefold() for text in self.behind])

    @cached_property
    def _by_stripped_text(self) -> dict[str, list[int]]:
        return _places([text.strip().casefold() for text in self.texts])


def _places(texts: Sequence[str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(texts):
        places[text].append(place)
    return dict(places)


@dataclass(frozen=True)
class PromptEncoder:
    """A tokenizer, and whether prompts go through its chat template.

    `name` is the model's, for messages. `template_kwargs` are variables for the template.
    """

    tokenizer: Any
    is_chat: bool
    name: str = "The model"
    template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    _is_blank: dict[Tokens, bool] = field(default_factory=dict, repr=False, compare=False)

    def render(self, prompt: str) -> str:
        """The text that the model reads.

        Raises ModelError where the chat template fails or changes the prompt.
        """
        if not self.is_chat:
            return prompt
        message = [{"role": "user", "content": prompt}]
        try:
            # transformers renders templates in an immutable sandbox of Jinja
            text: str = self.tokenizer.apply_chat_template(
                message, tokenize=False, add_generation_prompt=True, **self.template_kwargs
            )
        except Exception as error:  # a template is a program, and raises what it likes
            told = " ".join(str(error).split())[:160] or type(error).__name__
            reason = f" ({told})" if prompt == SAMPLE else ""  # the error for another prompt may repeat it
            raise ModelError(
                f"{self.name}: its chat template cannot render a prompt{reason}; give --prompt plain to ask without "
                f"it, or another --chat-template-kwargs."
            ) from None
        if prompt.strip() not in text:
            raise ModelError(
                f"{self.name}: its chat template leaves out a part of the prompt or changes it; give --prompt plain to "
                f"ask without it."
            )
        return text

    def mentions(self, name: str) -> bool:
        """Whether a variable of this name is in the text of the chat template."""
        return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", self.tokenizer.get_chat_template()) is not None

    def n_tokens(self, text: str) -> int:
        """The number of tokens of a text, without what a model puts around it."""
        return len(self._encode_alone(text))

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        """The tokens of texts. Where the tokenizer wants a first token, each text has it exactly once."""
        if not texts:
            return []
        found = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        first = self._first_token
        return [tuple(ids) if tuple(ids[: len(first)]) == first else (*first, *ids) for ids in found]

    def encode_options(self, prompts: Sequence[str], options: Sequence[Sequence[str]], *, spelled: bool) -> Encoded:
        """For each prompt its tokens, and those of each of its options behind it.

        `spelled`: of each option with and without a blank before it, for `token_probs`; else of the option as it
        continues the prompt, for `option_likelihood`.

        Raises ModelError where an option has no tokens, or the same as another option.
        """
        texts = [self.render(prompt) for prompt in prompts]
        contexts = texts if spelled or self.is_chat else [text.rstrip() for text in texts]
        behind: list[list[tuple[str, ...]]] = []
        for context, text, own in zip(contexts, texts, options, strict=True):
            lead = "" if self.is_chat else text[len(context) :] or " "
            behind.append([(option, f" {option}") if spelled else (lead + option,) for option in own])
        joined = [c + text for c, ways in zip(contexts, behind, strict=True) for own in ways for text in own]
        encoded = self.encode([*contexts, *joined])
        rest = iter(encoded[len(contexts) :])
        return [
            (tokens, self._usable(own, [[self._behind(tokens, next(rest), text, spelled) for text in w] for w in ways]))
            for tokens, own, ways in zip(encoded[: len(contexts)], options, behind, strict=True)
        ]

    def _behind(self, context: Tokens, both: Tokens, text: str, spelled: bool) -> Tokens:
        """The tokens of a text behind a context; alone where the context swallows it: no option is certain.

        A spelling is also encoded alone where the end of its context would be joined to it, a blank to a word.
        """
        is_joined = spelled and both[: len(context)] != context
        return (() if is_joined else both[len(context) :]) or self._encode_alone(text)

    def _usable(self, options: Sequence[str], spelled: Sequence[Sequence[Tokens]]) -> list[Tokens]:
        """The token sequences of the options, without those that hold an unknown token or are blank."""
        owners: dict[Tokens, str] = {}
        found = []
        for option, sequences in zip(options, spelled, strict=True):
            known = [one for one in sequences if self.tokenizer.unk_token_id not in one and not self._blank(one)]
            if not known:
                raise ModelError(
                    f"{self.name}: its tokenizer has no tokens for the option {option!r}; choose other --labels or "
                    f"another model."
                )
            for tokens in known:
                if owners.setdefault(tokens, option) != option:
                    raise ModelError(
                        f"{self.name}: its tokenizer gives the options {owners[tokens]!r} and {option!r} the same "
                        f"tokens; choose other --labels or another model."
                    )
            found += known
        return found

    def _blank(self, tokens: Tokens) -> bool:
        if tokens not in self._is_blank:
            self._is_blank[tokens] = not self.decode(tokens).strip()
        return self._is_blank[tokens]

    def _encode_alone(self, text: str) -> Tokens:
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    @cached_property
    def _first_token(self) -> Tokens:
        """The first token of every text, where the tokenizer adds one; a chat template writes its own."""
        first = self.tokenizer.bos_token_id
        if self.is_chat or first is None:
            return ()
        return (first,) if self.tokenizer("a")["input_ids"][:1] == [first] else ()

    def decode(self, ids: Sequence[int]) -> str:
        """The text of generated tokens, without those that have no text and ids without a token."""
        known = [token for token in ids if token in self._ids]
        text: str = self.tokenizer.decode(known, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    @cached_property
    def _ids(self) -> frozenset[int]:
        """The ids that have a token: not always 0 to one less than their number."""
        return frozenset(self.tokenizer.get_vocab().values())

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The text of each token, with a blank before it where the token includes one."""
        ids, before = sorted(self._ids), self._encode_alone("1")
        alone, behind, (start,) = (
            self.tokenizer.batch_decode(several, clean_up_tokenization_spaces=False)
            for several in ([[token] for token in ids], [[*before, token] for token in ids], [before])
        )
        texts, added = [""] * (ids[-1] + 1), [""] * (ids[-1] + 1)
        for token, piece, text, both in zip(ids, self.tokenizer.convert_ids_to_tokens(ids), alone, behind, strict=True):
            # decoders of SentencePiece drop the blank at the beginning of a text
            has_lost_blank = isinstance(piece, str) and piece.startswith("▁") and not text.startswith(" ")
            texts[token] = f" {text}" if has_lost_blank else text
            added[token] = both[len(start) :] if both.startswith(start) else texts[token]
        return Vocabulary(texts, added)
