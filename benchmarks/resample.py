"""How long intervals take: 1,000 resamples of the probe set's 36 items in its 46 cells, in one call. Prints seconds.

Run as `python -m benchmarks.resample FOLDER`, a folder that `benchmarks.prepare` made.
"""

import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

from worldvaluesbench.benchmark._dataset import load_dataset
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring._score import open_sources
from worldvaluesbench.scoring.measure._bootstrap import Design
from worldvaluesbench.scoring.measure._intervals import Sampling, find_intervals
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._groups import find_groups
from worldvaluesbench.scoring.sources._reference import respondents_reference
from worldvaluesbench.stats._estimate import Resampling
from worldvaluesbench.stats._item_sampling import Items
from worldvaluesbench.survey._attributes import parse_groupings

N_RUNS = 5


def seconds_of(folder: Path) -> tuple[float, int, int]:
    """Median seconds of a call, and how many groups and items it is about."""
    reference = respondents_reference(load_dataset(folder / "dataset"))
    resampling = Resampling(n=1000)
    (source,) = open_sources([read_answers(folder / "probe.tsv")], reference, How(resampling=resampling))
    groups = find_groups(reference, parse_groupings("continent*H_URBRURAL*education_level"), source.panel.n_items)[1]
    is_shown = np.ones((len(groups.labels), source.panel.n_items), dtype=bool)
    sampling = Sampling(resampling, Design(), Items.of([item.topic for item in source.humans.items]))
    taken = []
    for _ in range(N_RUNS):
        start = time.perf_counter()
        find_intervals(source.panel, groups.member, sampling, is_shown)
        taken.append(time.perf_counter() - start)
    return median(taken), *is_shown.shape


if __name__ == "__main__":
    seconds, n_groups, n_items = seconds_of(Path(sys.argv[1]))
    print(f"1,000 resamples x {n_items} items x {n_groups} groups, a call: {seconds:.2f} s")
