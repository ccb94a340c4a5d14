"""The report of a results folder: its runs compared with one another and with baselines. Slow to import."""

from collections.abc import Callable, Sequence
from pathlib import Path

from worldvaluesbench._io import read_manifest
from worldvaluesbench.baselines import BaselineOptions, build_baselines, makeable
from worldvaluesbench.pipeline._results import Results, finished_runs
from worldvaluesbench.planning import ExampleSet, probe_examples
from worldvaluesbench.reporting.page import write_report
from worldvaluesbench.scoring import How
from worldvaluesbench.scoring.compare import Comparison, compare_answers, write_comparison
from worldvaluesbench.scoring.sources import read_answers, respondents_reference
from worldvaluesbench.stats import MIN_COVERAGE
from worldvaluesbench.survey import Grouping

COMPARED_BY = (Grouping(("H_URBRURAL",)), Grouping(("continent",)))
"""The default groupings of a report: urban and rural as in the paper, and continents."""

CountWatch = Callable[[int, int], None]


def report_results(
    results: Results,
    groupings: Sequence[Grouping] = COMPARED_BY,
    *,
    fit: Path | None = None,
    watch: CountWatch | None = None,
    min_coverage: float = MIN_COVERAGE,
) -> tuple[Comparison, Path]:
    """Compare all finished runs of a results folder with one another and with baselines; and write the report.

    The baselines are made for the examples of the probe set, unless they are there. `fit` keeps what they are fitted
    to; `watch` is called with the number of items fitted.

    Raises RunError where no run is finished.
    """
    runs = finished_runs(results.folder)
    examples = probe_examples(results.dataset, results.probe, results.item_ids)
    baselines = [results.baselines / name for name in makeable()]
    if not all(_is_of(folder, examples) for folder in baselines):
        build_baselines(examples, results.baselines, options=BaselineOptions(fit=fit), watch=watch, force=True)
    comparison = compare_answers(
        [read_answers(folder) for folder in (*runs, *baselines)],
        respondents_reference(results.dataset),
        groupings=groupings,
        how=How(min_coverage=min_coverage),
    )
    write_comparison(comparison, results.comparison, force=True)
    return comparison, write_report(comparison, results.report, force=True)


def _is_of(folder: Path, examples: ExampleSet) -> bool:
    """Whether a folder holds a baseline's run for these examples."""
    return folder.is_dir() and read_manifest(folder, "run")["examples"] == examples.describe()
