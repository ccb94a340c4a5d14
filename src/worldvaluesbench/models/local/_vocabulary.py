"""A vocabulary: the text of every token of a model, and which tokens begin or go on with what one looks for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Vocabulary:
    """The text of every token, by its id, and which of them go on with a word that has begun.

    `texts`: what a token says where it begins an answer; `behind`: what it adds to a text that stands before it. They
    differ where a vocabulary has tokens of its own for the rest of a word (WordPiece: "##0" adds "0" to "1", and "4"
    adds " 4"). Ids that are no tokens have empty texts: a vocabulary may have holes.
    """

    texts: Sequence[str]
    behind: Sequence[str]

    def going_on(self, tokens: Collection[int], *, is_word: bool) -> npt.NDArray[np.bool_]:
        """Which tokens go on with what has begun: these, and, where that is a word, all that lengthen a word."""
        chosen = self._lengthens.copy() if is_word else np.zeros(len(self.behind), dtype=np.bool_)
        chosen[list(tokens)] = True
        return chosen

    def beginnings(self, options: tuple[str, ...], begun: str = "") -> set[int]:
        """The tokens with which an answer that has `begun` so still says an option or begins one, case apart."""
        key = (options, begun)
        if key not in self._known:
            start = begun.lstrip().casefold()
            wanted = {option.casefold()[:length] for option in options for length in range(1, len(option) + 1)}
            tokens = self._by_text if start else self._by_stripped
            behind = [text[len(start) :] for text in wanted if text.startswith(start) and len(text) > len(start)]
            self._known[key] = {token for text in behind for token in tokens.get(text, ())}
        return set(self._known[key])

    @cached_property
    def is_text(self) -> npt.NDArray[np.bool_]:
        """Which ids stand for a text."""
        return np.array([bool(text) for text in self.texts], dtype=np.bool_)

    @cached_property
    def _lengthens(self) -> npt.NDArray[np.bool_]:
        return np.array([text[:1].isalnum() for text in self.behind], dtype=np.bool_)

    @cached_property
    def _known(self) -> dict[tuple[tuple[str, ...], str], set[int]]:
        return {}

    @cached_property
    def _by_text(self) -> dict[str, list[int]]:
        return _places([text.casefold() for text in self.behind])

    @cached_property
    def _by_stripped(self) -> dict[str, list[int]]:
        return _places([text.strip().casefold() for text in self.texts])


def _places(texts: Sequence[str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, text in enumerate(texts):
        places.setdefault(text, []).append(place)
    return places
