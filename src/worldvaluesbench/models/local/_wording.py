"""Wording: what the tokens of a prompt are, and those of an option behind it, for whatever tokenizer a model has.

A prompt is a user's message in the model's chat template, or plain text. Behind a plain prompt an option continues as
a blank and its symbol, in a chat as its symbol: a template leaves off where the answer begins.

The tokens of an option are found as lm-evaluation-harness finds them: prompt and option are encoded together, and what
stands behind as many tokens as the prompt alone has is the option's. White space at the end of a plain prompt is
counted to the option, for tokenizers join it to what follows.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from worldvaluesbench.errors import ModelError
from worldvaluesbench.models.local._groups import Tokens
from worldvaluesbench.models.local._vocabulary import Vocabulary

SAMPLE = "Is 1 more than 2? Answer: "
"""A prompt that is nobody's, to try a tokenizer and a template."""


@dataclass(frozen=True)
class Wording:
    """A tokenizer, and whether prompts go through its chat template.

    `name` is the model's, for messages. `template_kwargs` are variables that the template is given.
    """

    tokenizer: Any
    is_chat: bool
    name: str = "The model"
    template_kwargs: Mapping[str, Any] = field(default_factory=dict)

    def texts(self, prompts: Sequence[str]) -> list[str]:
        """The texts that the model reads."""
        return [self._text(prompt) for prompt in prompts]

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        """The tokens of texts. Where the tokenizer wants a first token, each has it once, whoever wrote it."""
        if not texts:
            return []
        found = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        begin = self._begin
        return [tuple(ids) if tuple(ids[: len(begin)]) == begin else (*begin, *ids) for ids in found]

    def n_tokens(self, text: str) -> int:
        """How many tokens a text has, without what a model puts around it."""
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def with_options(
        self, prompts: Sequence[str], options: Sequence[Sequence[str]]
    ) -> list[tuple[Tokens, list[Tokens]]]:
        """For each prompt its tokens, and those of each of its options behind it: what `option_likelihood` compares."""
        parted = [self._parted(text) for text in self.texts(prompts)]
        behind = [
            [option if self.is_chat else (space or " ") + option for option in symbols]
            for (_, space), symbols in zip(parted, options, strict=True)
        ]
        found = self._encode_pairs([context for context, _ in parted], behind)
        return [
            (tokens, [only for (only,) in self._told_apart(symbols, [[each] for each in sequences])])
            for (tokens, sequences), symbols in zip(found, options, strict=True)
        ]

    def with_spellings(
        self, prompts: Sequence[str], options: Sequence[Sequence[str]]
    ) -> list[tuple[Tokens, list[Tokens]]]:
        """For each prompt its tokens as it stands, and those of each option with and without a blank before it."""
        behind = [[text for option in symbols for text in (option, f" {option}")] for symbols in options]
        found = []
        pairs = self._encode_pairs(self.texts(prompts), behind, is_whole=True)
        for (tokens, sequences), symbols in zip(pairs, options, strict=True):
            spelled = self._told_apart(symbols, list(zip(sequences[::2], sequences[1::2], strict=True)))
            found.append((tokens, [each for one in spelled for each in one]))
        return found

    def decode(self, ids: Sequence[int]) -> str:
        """The text of generated tokens, without those that stand for no text and ids that are no tokens."""
        known = [token for token in ids if token in self._ids]
        text: str = self.tokenizer.decode(known, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The text of each token, a blank before it where the token stands for one."""
        ids = sorted(self._ids)
        before = self._alone("1")
        alone, behind, (start,) = (
            self.tokenizer.batch_decode(several, clean_up_tokenization_spaces=False)
            for several in ([[token] for token in ids], [[*before, token] for token in ids], [before])
        )
        texts, added = [""] * (ids[-1] + 1), [""] * (ids[-1] + 1)
        for token, piece, text, both in zip(ids, self.tokenizer.convert_ids_to_tokens(ids), alone, behind, strict=True):
            # decoders of SentencePiece drop the blank at the begin of a text
            has_lost_blank = isinstance(piece, str) and piece.startswith("▁") and not text.startswith(" ")
            texts[token] = f" {text}" if has_lost_blank else text
            added[token] = both[len(start) :] if both.startswith(start) else texts[token]
        return Vocabulary(texts, added)

    @cached_property
    def _ids(self) -> frozenset[int]:
        """The ids that are tokens: not always 0 to one less than there are."""
        return frozenset(self.tokenizer.get_vocab().values())

    def mentions(self, name: str) -> bool:
        """Whether the text of the chat template has a variable of this name in it."""
        return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", self.tokenizer.get_chat_template()) is not None

    def _encode_pairs(
        self, contexts: Sequence[str], behind: Sequence[Sequence[str]], *, is_whole: bool = False
    ) -> list[tuple[Tokens, list[Tokens]]]:
        """Encode contexts, and what stands behind each together with it, in one call.

        `is_whole`: a text is encoded alone where the end of its context would be joined to it, a blank to a word.
        """
        wholes = [context + text for context, texts in zip(contexts, behind, strict=True) for text in texts]
        encoded = self.encode([*contexts, *wholes])
        whole = iter(encoded[len(contexts) :])
        found = []
        for context, texts in zip(encoded[: len(contexts)], behind, strict=True):
            n, together = len(context), [next(whole) for _ in texts]
            # where the context swallows an option it is encoded alone: no option is certain
            sequences = [
                (one[n:] if not is_whole or one[:n] == context else ()) or self._alone(text)
                for one, text in zip(together, texts, strict=True)
            ]
            found.append((context, sequences))
        return found

    def _told_apart(self, options: Sequence[str], spelled: Sequence[Sequence[Tokens]]) -> list[list[Tokens]]:
        """The token sequences of each option, without those that hold an unknown token or are blank.

        Raises ModelError where an option has none, or shares one with another option.
        """
        unknown, found = self.tokenizer.unk_token_id, []
        owners: dict[Tokens, str] = {}
        for option, sequences in zip(options, spelled, strict=True):
            known = [tokens for tokens in sequences if unknown not in tokens and self._says_something(tokens)]
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
            found.append(known)
        return found

    def _says_something(self, tokens: Tokens) -> bool:
        if tokens not in self._said:
            self._said[tokens] = bool(self.decode(tokens).strip())
        return self._said[tokens]

    @cached_property
    def _said(self) -> dict[Tokens, bool]:
        return {}

    def _alone(self, text: str) -> Tokens:
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _text(self, prompt: str) -> str:
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
            reason = f" ({told})" if prompt == SAMPLE else ""  # what is told of another prompt may repeat it
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

    def _parted(self, text: str) -> tuple[str, str]:
        """A text and the white space at its end; what a chat template ends with was said by nobody and stays."""
        kept = text if self.is_chat else text.rstrip()
        return kept, text[len(kept) :]

    @cached_property
    def _begin(self) -> Tokens:
        """The first token of every text, where the tokenizer adds one; a chat template writes its own."""
        first = self.tokenizer.bos_token_id
        if self.is_chat or first is None:
            return ()
        return (first,) if self.tokenizer("a")["input_ids"][:1] == [first] else ()
