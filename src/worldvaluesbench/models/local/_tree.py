"""A tree of continuations: several token sequences behind one prompt, their common beginnings counted once.

The last token of a sequence needs no computing, only its probability; so a tree holds what comes before last tokens,
and options of one token each make an empty tree.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from worldvaluesbench.models.local._groups import Tokens

END = 0
"""The place of the end of the prompt; node i of a tree has place i + 1."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Tokens to be read behind a prompt, each with the place it follows, parents before children."""

    tokens: Tokens = ()
    parents: Tokens = ()

    def depth(self, node: int) -> int:
        """How many tokens a node has between itself and the end of the prompt."""
        parent = self.parents[node]
        return 0 if parent == END else 1 + self.depth(parent - 1)

    def path(self, place: int) -> Tokens:
        """The tokens from the end of the prompt to a place, that of the place included."""
        return () if place == END else (*self.path(self.parents[place - 1]), self.tokens[place - 1])

    def line(self, node: int) -> tuple[int, ...]:
        """A node and all nodes before it, from which it follows."""
        parent = self.parents[node]
        return (node,) if parent == END else (*self.line(parent - 1), node)

    def children(self, place: int) -> tuple[int, ...]:
        """The tokens that follow a place within the tree."""
        return tuple(token for token, parent in zip(self.tokens, self.parents, strict=True) if parent == place)

    def places(self) -> dict[Tokens, int]:
        """Every place by the tokens that lead there."""
        return {self.path(place): place for place in range(len(self.tokens) + 1)}


@dataclass(frozen=True, slots=True)
class Row:
    """A prompt's tokens, and the tree that is read behind them."""

    tokens: Tokens
    tree: Tree = field(default_factory=Tree)


@lru_cache(maxsize=4096)
def tree_of(sequences: frozenset[Tokens]) -> Tree:
    """The tree that gives every sequence its probability: all their beginnings, each once."""
    return _grow(sorted({sequence[:length] for sequence in sequences for length in range(1, len(sequence))}))


def _grow(beginnings: Iterable[Tokens]) -> Tree:
    tokens: list[int] = []
    parents: list[int] = []
    places: dict[Tokens, int] = {(): END}
    for beginning in beginnings:
        tokens.append(beginning[-1])
        parents.append(places[beginning[:-1]])
        places[beginning] = len(tokens)
    return Tree(tuple(tokens), tuple(parents))
