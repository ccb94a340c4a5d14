"""The whole job for one model: draw a probe set if there is none, ask it, score it beside the models asked before.

A results folder holds `probe`, a run folder for each model, `scores` of all its finished runs together, and where a
report is wanted `baselines`, the `comparison` of all with one another, and the `report`.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from worldvaluesbench._io import read_manifest
from worldvaluesbench.asking import Budget, Outcome, Watch, ask, begin_run
from worldvaluesbench.benchmark import Dataset, build_probe, load_dataset, read_spec
from worldvaluesbench.errors import FolderError, ProbeError, RunError
from worldvaluesbench.models import FunctionModel, Model, check_method
from worldvaluesbench.planning import Plan, build_plan, probe_examples
from worldvaluesbench.prompts import DEFAULT_PRESET, Settings, differences, make_settings
from worldvaluesbench.scoring import How, Scores, score_answers, write_scores
from worldvaluesbench.scoring.sources import read_answers, respondents_reference
from worldvaluesbench.stats import MIN_COVERAGE
from worldvaluesbench.survey import Grouping, parse_groupings

PARTS = ("probe", "scores", "baselines", "comparison", "report")
"""The names in a results folder that no run can have."""

DEFAULT_PROBE = "paper36"


@dataclass(frozen=True)
class Results:
    """A results folder, its dataset, and the items asked (None: all of the probe).

    The folders in it: `probe`, the probe set that all its runs ask; `scores` of all its finished runs; `baselines`, a
    run of each; `comparison` of all finished runs and baselines; `report` of that comparison.
    """

    folder: Path
    dataset: Dataset
    item_ids: Sequence[str] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))

    @property
    def probe(self) -> Path:
        """The folder of the probe set."""
        return self.folder / "probe"

    @property
    def scores(self) -> Path:
        """The folder of the scores."""
        return self.folder / "scores"

    @property
    def baselines(self) -> Path:
        """The folder of the baselines."""
        return self.folder / "baselines"

    @property
    def comparison(self) -> Path:
        """The folder of the comparison."""
        return self.folder / "comparison"

    @property
    def report(self) -> Path:
        """The folder of the report."""
        return self.folder / "report"

    def run_folder(self, name: str) -> Path:
        """The folder of the run of this name."""
        return self.folder / slug_of(name)


def run_name(model_name: str, settings: Settings) -> str:
    """The default name of a run: the model, whether the prompt shows a persona, and the method if unusual.

    The paper's names have the same form: `alpaca-7b`, `alpaca-7b+demographics`.
    """
    name = model_name.rstrip("/").rpartition("/")[2]
    shown = "+demographics" if settings.uses_persona else ""
    method = "" if settings.method in ("greedy", "sampled") else f"+{settings.method}"
    return f"{name}{shown}{method}"


def slug_of(name: str) -> str:
    """The folder name of a run.

    Raises RunError for a name of which none can be made.

    >>> slug_of("org/model:7b+demographics")
    'org-model-7b+demographics'
    """
    slug = re.sub(r"[^\w.+=-]+", "-", name).strip("-.")
    if not slug or slug in PARTS:
        raise RunError(f"A run cannot be named {name!r}; choose another name, with letters or digits in it.")
    return slug


def plan_probe(
    results: Results, settings: Settings, spec: str | Path | None = None, *, limit: int | None = None
) -> Plan:
    """The plan that asks the results folder's probe set, which is drawn first if there is none.

    `spec` None: the one that is there, else `DEFAULT_PROBE`.

    Raises ProbeError where the one that is there was drawn by another specification than `spec`.
    """
    if not results.probe.exists():
        build_probe(results.dataset, DEFAULT_PROBE if spec is None else spec, results.probe)
    elif spec is not None:
        wanted = json.loads(json.dumps(asdict(read_spec(spec, results.dataset.codebook))))
        found = differences(read_manifest(results.probe, "probe", "spec")["spec"], wanted)
        if found:
            raise ProbeError(
                f"{results.probe}: was drawn by another specification ({'; '.join(found[:3])}); leave out --spec to "
                f"ask it, or choose another results folder."
            )
    examples = probe_examples(results.dataset, results.probe, results.item_ids)
    return build_plan(examples.first(limit), settings)


def ask_model(
    results: Results, plan: Plan, model: Model, name: str, *, budget: Budget | None = None, watch: Watch | None = None
) -> Outcome:
    """Ask a model the plan, as the run of this name; an unfinished run of the same name is resumed."""
    run = begin_run(plan, model, results.run_folder(name), name)
    return ask(run, model, budget=budget, watch=watch)


def evaluate(  # noqa: PLR0913 - what `wvb run` takes
    model: Model | Callable[[str], str],
    data: Dataset | str | Path,
    out: str | Path = "results",
    *,
    preset: str = DEFAULT_PRESET,
    settings: Settings | None = None,
    spec: str | Path | None = None,
    item_ids: Sequence[str] | None = None,
    groupings: str | Sequence[Grouping] = (),
    name: str | None = None,
    limit: int | None = None,
    budget: Budget | None = None,
    watch: Watch | None = None,
    min_coverage: float = MIN_COVERAGE,
) -> Scores:
    """Draw a probe set (if there is none), ask a model, score it; what `wvb run` does, resumed where it stopped.

    `model`: a `Model`, or a function from a prompt to a text. `data`: a dataset, or its folder. `out`: the results
    folder, where runs of other models are scored beside it. `settings`, or those of a `preset`, say how it is asked;
    `spec`, `item_ids` and `limit` (the first N examples) what; `groupings` ("continent*Q260") by what it is scored.
    `watch` is called with the progress of asking.

    Raises ModelError where the model cannot answer by the method, RunError where asking could not be finished.
    """
    dataset = data if isinstance(data, Dataset) else load_dataset(data)
    chosen = settings or make_settings(preset)
    if isinstance(model, Model):
        asked: Model = model
    else:
        complete = model
        asked = FunctionModel(getattr(model, "__name__", "model"), lambda prompt, _: complete(prompt))
    check_method(asked, chosen.method)
    results = Results(Path(out), dataset, item_ids)
    if isinstance(groupings, str):
        groupings = parse_groupings(groupings, dataset.codebook) if groupings else ()
    plan = plan_probe(results, chosen, spec, limit=limit)
    outcome = ask_model(results, plan, asked, name or run_name(asked.name, chosen), budget=budget, watch=watch)
    if not outcome.is_finished:
        raise RunError(f"{results.folder}: {outcome.why}")
    return score_results(results, groupings, min_coverage=min_coverage)


def score_results(
    results: Results, groupings: Sequence[Grouping] = (), *, min_coverage: float = MIN_COVERAGE
) -> Scores:
    """Score all finished runs of a results folder in one table, and write it there.

    Raises RunError where no run is finished.
    """
    answers = [read_answers(folder) for folder in finished_runs(results.folder)]
    how = How(min_coverage=min_coverage)
    scores = score_answers(answers, respondents_reference(results.dataset), groupings=groupings, how=how)
    write_scores(scores, results.scores, force=True)
    return scores


def finished_runs(folder: Path) -> list[Path]:
    """The finished runs in a results folder, by name.

    Raises RunError where there is none.
    """
    runs = [path for path in sorted(folder.iterdir()) if path.is_dir() and _is_finished_run(path)]
    if not runs:
        raise RunError(f"{folder}: holds no finished run; `wvb run` makes one.")
    return runs


def _is_finished_run(folder: Path) -> bool:
    try:
        read_manifest(folder, "run")
    except FolderError:
        return False
    return True
