"""An invented survey file with the shape, the codes and the world marginals of the real one, for demos and tests.

No line of it is or resembles a real respondent: people, their homes and their responses are drawn, such that over
the whole file every variable has the counts that the real file has. The `version` cell says that it is invented.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench._io import OwnFile, new_file
from worldvaluesbench.errors import SurveyFileError, WorldValuesBenchError
from worldvaluesbench.survey import Codebook, load_codebook
from worldvaluesbench.survey.reader import read_microdata
from worldvaluesbench.survey.synthetic._files import writer_of
from worldvaluesbench.survey.synthetic._homes import cluster_columns, draw_home_codes
from worldvaluesbench.survey.synthetic._respondents import People, Whole, draw_people, read_synthetic_table
from worldvaluesbench.survey.synthetic._responses import Codes, draw_responses

MIN_RESPONDENTS, MAX_RESPONDENTS = 100, 2_000_000
URUGUAY, URUGUAY_ID = 858, 858_069_901
"""In the real file every interview of this country carries the same id."""

WAVE = 7


def build_synthetic(n_respondents: int, *, rng: np.random.Generator, codebook: Codebook | None = None) -> pl.DataFrame:
    """An invented survey file of version 5: one row per respondent, 378 columns, raw codes.

    Raises SurveyFileError for fewer than 100 or more than 2,000,000 respondents.
    """
    if not MIN_RESPONDENTS <= n_respondents <= MAX_RESPONDENTS:
        raise SurveyFileError(
            f"An invented survey has {MIN_RESPONDENTS:,} to {MAX_RESPONDENTS:,} respondents, got {n_respondents:,}."
        )
    codebook = codebook or load_codebook()
    people = draw_people(n_respondents, rng=rng, codebook=codebook)
    responses = draw_responses(people, rng=rng, codebook=codebook)
    columns = {name: pl.Series(name, codes) for name, codes in responses.items()}
    columns |= _recoded_columns(responses)
    columns |= _interview_columns(people, responses["Q262"], rng)
    columns |= _weight_columns(people, rng)
    homes = draw_home_codes(people, responses, rng, codebook)
    columns |= {name: pl.Series(name, codes) for name, codes in homes.items()}
    columns |= cluster_columns(people, homes["N_REGION_WVS"])
    return pl.DataFrame([_column(row, columns, people.n, rng) for row in read_synthetic_table("columns")])


def write_synthetic(path: Path | str, n_respondents: int, *, seed: int, force: bool = False) -> None:
    """Write an invented survey file as its extension says: csv, csv.gz, zip (of a csv), sav, dta or parquet.

    The same seed and number of respondents give the same file.

    With force an invented file replaces an invented one, never that of real people.

    Raises SurveyFileError for another extension or a number out of bounds, FolderError where `path` cannot be written.
    """
    if seed < 0:
        raise SurveyFileError(f"A seed is 0 or more, got {seed}.")
    path = Path(path)
    write = writer_of(path)
    codebook = load_codebook()
    with new_file(path, force=force, own=OwnFile("invented survey file", _is_invented)) as staging:
        frame = build_synthetic(n_respondents, rng=np.random.default_rng(seed), codebook=codebook)
        version = pl.lit(f"invented 5-0-0 (worldvaluesbench, seed {seed})").alias("version")
        write(frame.with_columns(version), staging, codebook)


def _is_invented(path: Path) -> bool:
    try:
        return read_microdata(path).is_invented
    except WorldValuesBenchError:
        return False


def _column(row: Mapping[str, str], columns: Mapping[str, pl.Series], n: int, rng: np.random.Generator) -> pl.Series:
    """A column by its row in `columns.csv`: one that was drawn, or a filler that nobody reads."""
    name, filler = row["column"], row["filler"]
    if not filler:
        return columns[name]
    if filler == "blank":
        return pl.Series(name, [None], dtype=pl.Float64).new_from_index(0, n)
    if filler == "index":
        return pl.Series(name, rng.choice(np.array([0.0, 0.33, 0.66, 1.0], dtype=np.float32), n))
    return pl.Series(name, [int(filler)], dtype=pl.Int16).new_from_index(0, n)


def _recoded_columns(responses: Mapping[str, Codes]) -> dict[str, pl.Series]:
    """Columns that only group the codes of another one; missing reasons stay."""
    recoded: dict[str, Codes] = {}
    for row in read_synthetic_table("recoded_ranges"):
        source = responses[row["source"]]
        target = recoded.setdefault(row["column"], source.copy())
        target[(source >= int(row["low"])) & (source <= int(row["high"]))] = int(row["code"])
    return {name: pl.Series(name, codes) for name, codes in recoded.items()}


def _interview_columns(people: People, age: Codes, rng: np.random.Generator) -> dict[str, pl.Series]:
    """Who was interviewed where and when, and the year of birth that fits the age."""
    n, home = people.n, people.home
    code = np.array([place.code for place in people.places])[home]
    start = np.array([_months_since_zero(place.first_month) for place in people.places])[home]
    length = np.array([place.n_months for place in people.places])[home]
    month = start + rng.integers(0, length)
    year = month // 12
    minutes = rng.integers(25, 100, n)
    began = rng.integers(8 * 60, 20 * 60, n)
    numbers = {
        "A_WAVE": np.full(n, WAVE),
        "A_YEAR": year,
        "A_STUDY": np.full(n, 2),
        "B_COUNTRY": code,
        "C_COW_NUM": np.array([place.cow_code for place in people.places])[home],
        "D_INTERVIEW": respondent_ids(people),
        "J_INTDATE": _year_month(month) * 100 + rng.integers(1, 29, n),
        "FW_START": _year_month(start),
        "FW_END": _year_month(start + length - 1),
        "K_TIME_START": _clock(began),
        "K_TIME_END": _clock(began + minutes),
        "K_DURATION": minutes,
        "S025": code * 10_000 + year,
        "Q261": np.where(age < 0, age, year - age),
    }
    texts = {
        "version": ["invented 5-0-0 (worldvaluesbench)"] * len(people.places),
        "doi": ["none"] * len(people.places),
        "B_COUNTRY_ALPHA": [place.alpha3 for place in people.places],
        "C_COW_ALPHA": [place.cow_alpha for place in people.places],
    }
    columns = {name: pl.Series(name, values) for name, values in numbers.items()}
    return columns | {name: pl.Series(name, values).gather(home) for name, values in texts.items()}


def respondent_ids(people: People) -> Whole:
    """Ids as in the real file: country, 07, a serial number of four digits (more where a country is larger).

    All interviews of Uruguay share one id, which the readers of the real file must bear as well.
    """
    sizes = people.sizes
    width = 10 ** max(4, len(str(int(sizes.max()))))
    code = np.array([place.code for place in people.places])[people.home]
    first = np.cumsum(sizes) - sizes
    serial = np.arange(people.n) - first[people.home] + 1
    ids: Whole = (code * 100 + WAVE) * width + serial
    return np.where(code == URUGUAY, URUGUAY_ID, ids)


def _weight_columns(people: People, rng: np.random.Generator) -> dict[str, pl.Series]:
    """Weights of the interviews.

    `W_WEIGHT`, and `S017` with it, has mean 1 in each country; `S018` makes each country count as 1,000 people; `PWGHT`
    makes countries count by invented populations.
    """
    sizes = people.sizes[people.home]
    raw = np.clip(np.exp(0.4 * rng.standard_normal(people.n)), 0.35, 2.8)
    means = np.bincount(people.home, weights=raw) / people.sizes
    weight = raw / means[people.home]
    population = np.exp(rng.standard_normal(len(people.places))).round(4)
    return {
        "W_WEIGHT": pl.Series("W_WEIGHT", weight),
        "S018": pl.Series("S018", weight * 1000 / sizes),
        "PWGHT": pl.Series("PWGHT", population[people.home]),
        "S017": pl.Series("S017", weight),
    }


def _months_since_zero(year_month: int) -> int:
    return year_month // 100 * 12 + year_month % 100 - 1


def _year_month(months: NDArray[np.int64]) -> Whole:
    result: Whole = months // 12 * 100 + months % 12 + 1
    return result


def _clock(minutes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Hours and minutes as a number: 13.25 is twenty-five minutes past one."""
    result: NDArray[np.float64] = (minutes // 60 + minutes % 60 / 100).round(2)
    return result
