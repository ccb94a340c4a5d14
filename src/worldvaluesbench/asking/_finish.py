"""The end of a run: the answers table and, last of all, the manifest, once nothing is missing."""

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

import polars as pl

from worldvaluesbench._io import MANIFEST, file_facts, manifest_of, read_manifest
from worldvaluesbench.asking._answers import write_answers
from worldvaluesbench.asking._budget import CostIs, Spending
from worldvaluesbench.asking._disagreement import order_disagreement
from worldvaluesbench.asking._journal import JOURNAL
from worldvaluesbench.asking._received import Received
from worldvaluesbench.asking._run import ANSWERS, PLANNED, RUN, Run, write_whole
from worldvaluesbench.stats import MIN_COVERAGE

_KEPT = (
    "n_completions",
    "n_done",
    "unparsed",
    "n_retried",
    "prompt_tokens",
    "completion_tokens",
    "cost",
    "cost_is",
    "n_received",
    "n_without_usage",
    "damaged_lines",
)
"""What the manifest keeps of an outcome."""

_LIBRARIES = ("polars", "openai", "aiohttp", "torch", "transformers", "lightgbm")


@dataclass(frozen=True)
class Outcome:
    """How a session of asking ended. Counts are over all sessions, but for failures and `seconds`, which are its own.

    `n_done` of `n_completions` samples have an answer, of which `unparsed` counts those that could not be read, by
    reason. `failures` counts requests that have none, by what is told of them. `cost` is None without prices; where
    the model did not report its usage for `n_without_usage` of the `n_received` completions (those asked again
    included), it is a bound, and `cost_is` says which. `damaged_lines`: the numbers of lines of the journal that are
    left out, for they were damaged. `why` says in one line why the run is not finished, or that it
    was before; "" where it finished now.
    """

    n_completions: int
    n_done: int
    unparsed: Mapping[str, int]
    n_retried: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    cost_is: CostIs | None
    n_received: int
    n_without_usage: int
    is_finished: bool
    damaged_lines: Sequence[int] = field(default_factory=list)
    is_interrupted: bool = False
    seconds: float = 0.0
    failures: Mapping[str, int] = field(default_factory=dict)
    why: str = ""

    @property
    def n_unparsed(self) -> int:
        """How many completions could not be read."""
        return sum(self.unparsed.values())

    @property
    def n_failed(self) -> int:
        """How many requests failed and are asked again in the next session."""
        return sum(self.failures.values())


def finish_run(run: Run, received: Received, spending: Spending, seconds: float | None = None) -> None:
    """Write the answers table of a complete run and its manifest, last. `seconds`: how long the last session took."""
    write_answers(run.folder, damaged=[])  # `received` has their numbers
    outcome = outcome_of(received, spending, is_finished=True)
    counts = {name: value for name, value in asdict(outcome).items() if name in _KEPT}
    content = {key: value for key, value in run.description.items() if key not in ("kind", "worldvaluesbench", "files")}
    budget = spending.budget
    content |= counts | {
        "n_unparsed": outcome.n_unparsed,
        "price_in": budget.price_in,
        "price_out": budget.price_out,
        "last_session_seconds": None if seconds is None else round(seconds, 3),
        "order_disagreement": _order_disagreement(run),
        "versions": used_versions(),
    }
    files = {name: file_facts(run.folder / name) for name in (RUN, *PLANNED, JOURNAL, ANSWERS)}
    write_whole(run.folder / MANIFEST, manifest_of("run", content) | {"files": files})


def outcome_of(received: Received, spending: Spending, *, is_finished: bool, **others: Any) -> Outcome:
    """An outcome with the counts of what was received and spent; `others` are further fields of it."""
    return Outcome(
        n_completions=received.n_completions,
        n_done=received.n_done,
        unparsed={reason: n for reason, n in sorted(received.unparsed.items()) if n},
        n_retried=received.n_retried,
        prompt_tokens=spending.prompt_tokens,
        completion_tokens=spending.completion_tokens,
        cost=spending.spent,
        cost_is=spending.cost_is,
        n_received=spending.n_received,
        n_without_usage=spending.n_without_usage,
        is_finished=is_finished,
        damaged_lines=list(received.damaged),
        **others,
    )


def read_outcome(run: Run) -> Outcome:
    """The outcome of a run that was finished before, from its manifest."""
    manifest = read_manifest(run.folder, "run")
    # what a run does not say that an earlier version finished
    before: dict[str, Any] = {"cost_is": None, "n_received": 0, "n_without_usage": 0, "damaged_lines": []}
    return Outcome(
        **{name: (before | manifest)[name] for name in _KEPT},
        is_finished=True,
        why="The run was finished before; there is nothing to do.",
    )


def _order_disagreement(run: Run) -> list[dict[str, Any]] | None:
    """How far the orders of the options disagree, where there are several: over answers that count by default."""
    if run.settings.orders == 1:
        return None
    answers = pl.read_parquet(run.folder / ANSWERS)
    if run.settings.method == "token_probs":
        is_kept = pl.col("coverage") >= MIN_COVERAGE
        answers = answers.with_columns(probabilities=pl.when(is_kept).then("probabilities"))
    return order_disagreement(answers).to_dicts()


def used_versions() -> dict[str, str]:
    """The versions of Python and of the libraries that were used to answer, for a manifest."""
    used = {name: version(name) for name in _LIBRARIES if name in sys.modules}
    return {"python": platform.python_version(), **used}
