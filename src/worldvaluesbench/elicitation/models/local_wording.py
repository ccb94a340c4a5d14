"""Wording: what the tokens of a prompt are, and those of an option behind it, for whatever tokenizer a model has.

A prompt is a user's message in the model's chat template, or plain text. Behind a plain prompt an option continues as
a blank and its symbol, in a chat as its symbol: a template leaves off where the answer begins.

The tokens of an option are found as lm-evaluation-harness finds them: prompt and option are encoded together, and what
stands behind as many tokens as the prompt alone has is the option's. White space at the end of a plain prompt is
counted to the option, for tokenizers join it to what follows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from worldvaluesbench.elicitation.models.local_groups import Tokens
from worldvaluesbench.elicitation.models.local_vocabulary import Vocabulary


@dataclass(frozen=True)
class Wording:
    """A tokenizer, and whether prompts go through its chat template."""

    tokenizer: Any
    is_chat: bool

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
        return self._encode_pairs([context for context, _ in parted], behind)

    def with_spellings(
        self, prompts: Sequence[str], options: Sequence[Sequence[str]]
    ) -> list[tuple[Tokens, list[Tokens]]]:
        """For each prompt its tokens as it stands, and those of each option with and without a blank before it."""
        behind = [[text for option in symbols for text in (option, f" {option}")] for symbols in options]
        return self._encode_pairs(self.texts(prompts), behind)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of generated tokens, without those that stand for no text."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The text of each token, a blank before it where the token stands for one."""
        pieces = self.tokenizer.convert_ids_to_tokens(list(range(len(self.tokenizer))))
        texts = self.tokenizer.batch_decode([[i] for i in range(len(pieces))], clean_up_tokenization_spaces=False)
        # decoders of SentencePiece drop the blank at the begin of a text
        return Vocabulary(
            [
                f" {text}" if isinstance(piece, str) and piece.startswith("▁") and not text.startswith(" ") else text
                for piece, text in zip(pieces, texts, strict=True)
            ]
        )

    def _encode_pairs(
        self, contexts: Sequence[str], behind: Sequence[Sequence[str]]
    ) -> list[tuple[Tokens, list[Tokens]]]:
        """Encode contexts, and what stands behind each together with it, in one call."""
        wholes = [context + text for context, texts in zip(contexts, behind, strict=True) for text in texts]
        encoded = self.encode([*contexts, *wholes])
        whole = iter(encoded[len(contexts) :])
        found = []
        for context, texts in zip(encoded[: len(contexts)], behind, strict=True):
            # where the context swallows an option it is encoded alone: no option is certain
            sequences = [next(whole)[len(context) :] or self._alone(text) for text in texts]
            found.append((context, sequences))
        return found

    def _alone(self, text: str) -> Tokens:
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _text(self, prompt: str) -> str:
        if not self.is_chat:
            return prompt
        message = [{"role": "user", "content": prompt}]
        text: str = self.tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
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
