"""The published answers of four models against the world marginals, beside Table 2 of the paper.

The paper held them against the 230 people of its probe set, which has as many people of every group; the marginals
pool all interviews. So beside what chance does to 230 people, the mix of people differs, and some values of the table
lie beyond noise. Alpaca's also because ratings off the scale were scored in the paper and are left out here. This says
which. Run as `python -m benchmarks.published`; it needs the folder `../shared`.
"""

import csv
from pathlib import Path

import numpy as np
import polars as pl

from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._baselines import MAJORITY, UNIFORM
from worldvaluesbench.scoring.sources._reference import world_reference
from worldvaluesbench.stats._distribution import Array, shares_of, wasserstein
from worldvaluesbench.stats._estimate import Resampling
from worldvaluesbench.stats._item_sampling import Items, Moments, standard_error
from worldvaluesbench.stats._noise import noise_floor
from worldvaluesbench.survey._codebook import load_codebook
from worldvaluesbench.survey._marginals import load_marginals

SHARED = Path(__file__).parents[1] / ".." / "shared"
OUTPUTS, TABLE_2 = SHARED / "published" / "model_outputs", SHARED / "facts" / "table2.csv"
N = 230
"""Humans of an item in the paper's probe set."""

ROUNDING = 0.005
N_DRAWS = 4000

PRINTED_MEANS = {
    "uniform": 0.17,
    "majority": 0.26,
    "alpaca-7b": 0.33,
    "vicuna-7b-v1.5": 0.28,
    "mixtral-8x7b-instruct": 0.24,
    "gpt-3.5-turbo": 0.29,
    "alpaca-7b+demographics": 0.38,
    "vicuna-7b-v1.5+demographics": 0.30,
    "mixtral-8x7b-instruct+demographics": 0.16,
    "gpt-3.5-turbo+demographics": 0.14,
}
"""The row of means that the paper prints; means of its cells of two decimals can be another 0.01 away."""

FILES = {
    "alpaca-7b": "alpaca",
    "vicuna-7b-v1.5": "vicuna",
    "mixtral-8x7b-instruct": "mixtral",
    "gpt-3.5-turbo": "gpt-3.5",
    "alpaca-7b+demographics": "alpaca_with_demographics",
    "vicuna-7b-v1.5+demographics": "vicuna_with_demographics",
    "mixtral-8x7b-instruct+demographics": "mixtral_with_demographics",
    "gpt-3.5-turbo+demographics": "gpt-3.5_with_demographics",
}


def main() -> None:
    if not OUTPUTS.is_dir():
        raise SystemExit(f"{OUTPUTS}: is not there; the published answers are needed.")
    with TABLE_2.open(encoding="utf-8") as lines:
        printed = {
            row.pop("item_id"): {name: float(value) for name, value in row.items()} for row in csv.DictReader(lines)
        }
    answers = [read_answers(OUTPUTS / f"{file}.tsv") for file in FILES.values()]
    scores = score_answers(answers, world_reference(), how=How(resampling=Resampling()))
    print(f"W1 against the world marginals [95% interval], Table 2 of the paper, and {N} people's noise floor.")
    print(f"* : Table 2 lies beyond what {N} people drawn from the world would give in 95 of 100 samples.\n")
    print(f"{'column':<36}{'mean here':>10}  {'interval':<16}{'Table 2':>8}{'floor':>7}{'beyond noise':>14}  which")
    for name in (UNIFORM, MAJORITY, *FILES):
        print_column(name, scores.table, scores.summary, printed)
    print("\nCorrected W1 less that of uniform answers, over the same items (items sampled within topics):\n")
    for name in FILES:
        print_against_uniform(name, scores.table)
    print("\nItem by item, the eight columns of the models:\n")
    for name in FILES:
        print_items(name, scores.table, printed)


def print_column(name: str, table: pl.DataFrame, summary: pl.DataFrame, printed: dict[str, dict[str, float]]) -> None:
    file = FILES.get(name, name)
    mean = summary.filter(answered_by=file).row(0, named=True)
    beyond = [item_id for item_id, low, high in likely(name, table) if not is_within(printed[item_id][name], low, high)]
    floor = np.mean([floor_of(item_id) for item_id in printed])
    paper = PRINTED_MEANS[name]
    ends = f"[{mean['mean_low']:.3f}, {mean['mean_high']:.3f}]"
    which = f"{len(beyond)} of {len(printed)}"
    print(f"{name:<36}{mean['mean']:>10.3f}  {ends:<16}{paper:>8.2f}{floor:>7.3f}{which:>14}  {' '.join(beyond)}")


def print_against_uniform(name: str, table: pl.DataFrame) -> None:
    rows = table.filter(answers=FILES[name])
    difference = (rows["corrected"] - rows[UNIFORM]).to_numpy()
    items = Items.of(rows["topic"].to_list())
    # respondents hardly matter beside 92,000 of them; what answers vary by is in how items differ
    moments = Moments(np.zeros(difference.size), np.zeros(()))
    error = standard_error(difference, np.ones(difference.size, dtype=bool), moments, items)
    mean, half = difference.mean(), float(error.half_width(0.95))
    p = float(error.p_of(np.abs(mean)))
    print(f"{name:<36}{mean:>+8.3f} [{mean - half:+.3f}, {mean + half:+.3f}]  p {p:.3f}")


def print_items(name: str, table: pl.DataFrame, printed: dict[str, dict[str, float]]) -> None:
    ends = {item_id: (low, high) for item_id, low, high in likely(name, table)}
    print(f"{name}\n{'item':<8}{'here':>7}  {'interval':<16}{'Table 2':>8}{'floor':>7}")
    for row in table.filter(answers=FILES[name]).iter_rows(named=True):
        item_id = row["item_id"]
        mark = "" if is_within(printed[item_id][name], *ends[item_id]) else "  *"
        interval = f"[{row['low']:.3f}, {row['high']:.3f}]"
        paper = printed[item_id][name]
        print(f"{item_id:<8}{row['distance']:>7.3f}  {interval:<16}{paper:>8.2f}{floor_of(item_id):>7.3f}{mark}")
    print()


def likely(name: str, table: pl.DataFrame) -> list[tuple[str, float, float]]:
    """Between what W1 would lie, 95 times in 100, were the humans 230 people drawn from the world."""
    rng = np.random.default_rng(0)
    found = []
    rows = table.filter(answers=FILES.get(name, FILES["alpaca-7b"]))
    for item_id in rows["item_id"].to_list():
        world = shares_of_world(item_id)
        drawn = rng.multinomial(N, world, size=N_DRAWS) / N
        model = model_shares(name, item_id, drawn)
        distances = wasserstein(drawn, model)
        found.append((item_id, *np.quantile(distances, [0.025, 0.975]).tolist()))
    return found


def model_shares(name: str, item_id: str, drawn: Array) -> Array:
    if name == UNIFORM:
        return np.full(drawn.shape[1], 1 / drawn.shape[1])
    if name == MAJORITY:
        return np.asarray(np.arange(drawn.shape[1]) == drawn.argmax(axis=1)[:, None], dtype=np.float64)
    scale = load_codebook().item(item_id).scale
    frame = read_answers(OUTPUTS / f"{FILES[name]}.tsv").frame.filter(pl.col("item_id").cast(pl.String) == item_id)
    ratings = frame["answer"].str.strip_chars().cast(pl.Int64, strict=False).drop_nulls().to_numpy()
    ratings = ratings[(ratings >= scale.low) & (ratings <= scale.high)] - scale.low
    return shares_of(np.bincount(ratings, minlength=scale.n_points))


def shares_of_world(item_id: str) -> Array:
    n_points = load_codebook().item(item_id).scale.n_points
    return shares_of(load_marginals().counts(item_id)[:n_points])


def floor_of(item_id: str) -> float:
    world = shares_of_world(item_id)
    return float(noise_floor(world, N, world.size))


def is_within(value: float, low: float, high: float) -> bool:
    return low - ROUNDING <= value <= high + ROUNDING


if __name__ == "__main__":
    main()
