"""The whole job for one model: the probe that is there is the one that was asked for, or nothing is asked."""

from pathlib import Path

import pytest

from worldvaluesbench.benchmark.dataset import Dataset
from worldvaluesbench.elicitation.settings import settle
from worldvaluesbench.errors import ProbeError
from worldvaluesbench.pipeline.results import Results, plan_probe

SPEC = 'items = ["Q1", "Q2"]\ncross = ["Q260"]\nper_cell = 4\nseed = 3\n'


def test_a_probe_of_another_specification_is_not_asked_instead(paper: Dataset, tmp_path: Path) -> None:
    spec, results = tmp_path / "mine.toml", Results(tmp_path / "results", paper)
    spec.write_text(SPEC)
    drawn = plan_probe(results, settle(), spec)
    assert (
        drawn.n_examples == plan_probe(results, settle()).n_examples == plan_probe(results, settle(), spec).n_examples
    )
    with pytest.raises(ProbeError, match=r"was drawn by another specification \(name: 'mine' before, 'paper36' now"):
        plan_probe(results, settle(), "paper36")
    spec.write_text(SPEC.replace("seed = 3", "seed = 4"))
    with pytest.raises(ProbeError, match="seed: 3 before, 4 now"):
        plan_probe(results, settle(), spec)
