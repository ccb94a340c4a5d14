"""The end of a session: its outcome; and, once nothing is missing, the answers table and, last of all, the manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import polars as pl

from worldvaluesbench._io import MANIFEST, file_facts, manifest_of, read_manifest
from worldvaluesbench.asking._budget import CostIs
from worldvaluesbench.asking._disagreement import order_disagreement
from worldvaluesbench.asking._run import PLANNED, Run, write_whole
from worldvaluesbench.asking._state import RunState
from worldvaluesbench.runs import ANSWERS, JOURNAL, RUN, RUN_KIND, used_versions
from worldvaluesbench.stats import MIN_COVERAGE


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a session of asking ended. Counts are over all sessions, except failures and `seconds`.

    `n_done` of `n_completions` samples have an answer, of which `unparsed` counts those that could not be parsed, by
    reason; `n_retried` completions were asked again. `failures` counts requests without a reply, by message. `cost` is
    None without prices; where the model did not report its usage for `n_without_usage` of the `n_received` completions
    (retries included), it is a bound, and `cost_is` says which. `damaged_lines`: the numbers of damaged lines of the
    journal, which are left out. `why` says in one line why the run is not finished, or that it was before.
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
    damaged_lines: Sequence[int]
    is_finished: bool
    is_interrupted: bool = False
    seconds: float = 0.0
    failures: Mapping[str, int] = field(default_factory=dict)
    why: str = ""

    @property
    def n_unparsed(self) -> int:
        """The number of completions that could not be parsed."""
        return sum(self.unparsed.values())

    @property
    def n_failed(self) -> int:
        """The number of requests that failed; the next session asks them again."""
        return sum(self.failures.values())


@dataclass(frozen=True, kw_only=True)
class Progress(Outcome):
    """The outcome so far of a session that goes on.

    `n_before` of the `n_done` completions are from earlier sessions; `budget` is the most that the run may cost.
    `rate` is completions per second over the last half minute, `seconds_left` None as long as there is none. `notice`
    is given once, when it is news.
    """

    n_requests: int
    n_before: int
    budget: float | None
    rate: float
    seconds_left: float | None
    notice: str | None


def counts_of(state: RunState) -> dict[str, Any]:
    """The counts of a state, by the names that an outcome and a manifest have for them."""
    spending = state.spending
    return {
        "n_completions": state.run.n_completions,
        "n_done": state.n_done,
        "unparsed": {reason: n for reason, n in sorted(state.unparsed.items()) if n},
        "n_retried": state.n_retried,
        "prompt_tokens": spending.prompt_tokens,
        "completion_tokens": spending.completion_tokens,
        "cost": spending.spent,
        "cost_is": spending.cost_is,
        "n_received": spending.n_received,
        "n_without_usage": spending.n_without_usage,
        "damaged_lines": list(state.damaged),
    }


def finish_run(state: RunState, seconds: float | None = None) -> None:
    """Write the answers table of a complete run and its manifest, last. `seconds`: how long the last session took."""
    state.write_answers()
    run, budget = state.run, state.spending.budget
    content = {key: value for key, value in run.description.items() if key not in ("kind", "worldvaluesbench", "files")}
    content |= counts_of(state) | {
        "n_unparsed": state.unparsed.total(),
        "price_in": budget.price_in,
        "price_out": budget.price_out,
        "last_session_seconds": None if seconds is None else round(seconds, 3),
        "order_disagreement": _order_disagreement(run),
        "versions": used_versions(),
    }
    files = {name: file_facts(run.folder / name) for name in (RUN, *PLANNED, JOURNAL, ANSWERS)}
    write_whole(run.folder / MANIFEST, manifest_of(RUN_KIND, content) | {"files": files})


def read_outcome(run: Run) -> Outcome:
    """The outcome of a run that was finished before, from its manifest."""
    # defaults for a run that an earlier version finished
    counts: dict[str, Any] = {"cost_is": None, "n_received": 0, "n_without_usage": 0, "damaged_lines": []}
    counts |= read_manifest(run.folder, RUN_KIND)
    kept = {one.name: counts[one.name] for one in fields(Outcome) if one.name in counts}
    return Outcome(**kept, is_finished=True, why="The run was finished before; there is nothing to do.")


def _order_disagreement(run: Run) -> list[dict[str, Any]] | None:
    """How far the orders of the options disagree, where there are several: over answers that count by default."""
    if run.settings.orders == 1:
        return None
    answers = pl.read_parquet(run.folder / ANSWERS)
    if run.settings.method == "token_probs":
        is_kept = pl.col("coverage") >= MIN_COVERAGE
        answers = answers.with_columns(probabilities=pl.when(is_kept).then("probabilities"))
    return order_disagreement(answers).to_dicts()
