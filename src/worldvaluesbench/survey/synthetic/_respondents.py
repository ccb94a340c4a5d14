"""Invented people: where they live, and the hidden tendencies that their invented responses follow.

Places and their means are in `data/synthetic/places.csv`; the people are drawn, and nobody is copied.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from worldvaluesbench.errors import CodebookError
from worldvaluesbench.survey import Codebook, Country, load_marginals

Tendencies = NDArray[np.float32]
Whole = NDArray[np.int64]

N_TRAITS = 8


@dataclass(frozen=True, slots=True)
class Place:
    """A country or territory of the invented survey.

    `size` is its number of interviews in a file of 94,278; fieldwork takes `n_months` from `first_month`
    (YYYYMM). `urbanity`, `education` and `rural_education` (added for rural people) are means of hidden tendencies.
    """

    code: int
    alpha3: str
    continent: str
    size: int
    first_month: int
    n_months: int
    urbanity: float
    education: float
    rural_education: float
    denomination: int
    languages: tuple[int, ...]
    cow_code: int
    cow_alpha: str


@dataclass(frozen=True)
class People:
    """The invented respondents in file order: `home` is each one's index in `places`.

    `tendencies` are standardised, shape (people,): urbanity, age, education, income, origin, denomination, chance.
    `traits`, shape (traits, people), stand behind all value items and make them hang together.
    """

    places: tuple[Place, ...]
    home: Whole
    tendencies: Mapping[str, Tendencies]
    traits: Tendencies

    @property
    def n(self) -> int:
        """How many people there are."""
        return int(self.home.size)

    @property
    def sizes(self) -> Whole:
        """How many people live in each place, shape (places,)."""
        return np.bincount(self.home, minlength=len(self.places))


def draw_people(n: int, *, rng: np.random.Generator, codebook: Codebook) -> People:
    """Draw `n` people, grouped by place in the order of `places.csv`."""
    places = load_places(codebook)
    home = np.repeat(np.arange(len(places)), sizes_of(n, places))
    tendencies = _draw_tendencies(places, home, rng)
    return People(places, home, tendencies, _draw_traits(places, home, tendencies, rng))


def sizes_of(n: int, places: tuple[Place, ...]) -> Whole:
    """How many of `n` people live in each place: in proportion, at least one each, summing to `n`."""
    exact = np.array([place.size for place in places], dtype=np.float64)
    exact = 1 + exact * ((n - len(places)) / exact.sum()) if n != exact.sum() else exact
    sizes: Whole = np.floor(exact).astype(np.int64)
    largest_remainders = np.argsort(sizes - exact, kind="stable")[: n - int(sizes.sum())]
    sizes[largest_remainders] += 1
    return sizes


def load_places(codebook: Codebook) -> tuple[Place, ...]:
    """The places of the invented survey, in file order.

    Raises CodebookError where they are not the countries of file version 5.
    """
    rows = list(read_synthetic_table("places"))
    countries = {country.code: country for country in codebook.countries if country.is_in_version_5}
    codes = [int(row["code"]) for row in rows]
    if sorted(codes) != sorted(countries):
        raise CodebookError(f"places.csv: expected the {len(countries)} countries of file version 5, found {codes}.")
    return tuple(_place(row, countries[int(row["code"])]) for row in rows)


def read_synthetic_table(name: str) -> Iterator[dict[str, str]]:
    """The rows of a packaged table `data/synthetic/<name>.csv`, as text."""
    text = (files("worldvaluesbench") / "data" / "synthetic" / f"{name}.csv").read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())


def noise(n: int, rng: np.random.Generator) -> Tendencies:
    """Standard normal tendencies, shape (n,)."""
    return rng.standard_normal(n, dtype=np.float32)


def standardised(tendencies: Tendencies) -> Tendencies:
    """Tendencies with mean 0 and standard deviation 1."""
    spread = tendencies.std()
    result: Tendencies = (tendencies - tendencies.mean()) / (spread if spread > 0 else np.float32(1))
    return result


def _place(row: Mapping[str, str], country: Country) -> Place:
    return Place(
        code=country.code,
        alpha3=country.alpha3,
        continent=country.continent,
        size=int(row["size"]),
        first_month=int(row["first_month"]),
        n_months=int(row["n_months"]),
        urbanity=float(row["urbanity"]),
        education=float(row["education"]),
        rural_education=float(row["rural_education"]),
        denomination=int(row["denomination"]),
        languages=tuple(int(code) for code in row["languages"].split()),
        cow_code=int(row["cow_code"]),
        cow_alpha=row["cow_alpha"],
    )


def _draw_tendencies(places: tuple[Place, ...], home: Whole, rng: np.random.Generator) -> dict[str, Tendencies]:
    def at_home(field: str) -> Tendencies:
        return np.array([getattr(place, field) for place in places], dtype=np.float32)[home]

    n = home.size
    chance = noise(n, rng)
    urbanity = at_home("urbanity") + noise(n, rng)
    is_rural = urbanity <= np.quantile(urbanity, _rural_share())
    age = standardised(0.4 * at_home("education") + noise(n, rng))
    schooling = at_home("education") + is_rural * at_home("rural_education") - 0.2 * age
    education = standardised(schooling + noise(n, rng))
    foreign = (0.3 * noise(len(places), rng))[home]
    denomination = at_home("denomination")
    return {
        "chance": chance,
        "urbanity": standardised(urbanity),
        "age": age,
        "education": education,
        "income": standardised(0.5 * education + 0.3 * urbanity + noise(n, rng)),
        "origin": standardised(foreign + noise(n, rng)),
        "denomination": standardised(denomination + 0.7 * noise(n, rng)),
    }


def _rural_share() -> float:
    counts = load_marginals().raw_counts("H_URBRURAL")
    return counts[2] / (counts[1] + counts[2])


def _draw_traits(
    places: tuple[Place, ...], home: Whole, tendencies: Mapping[str, Tendencies], rng: np.random.Generator
) -> Tendencies:
    """Traits that differ by continent, country, education, urbanity and age, then by person; each has variance 1."""
    continents = sorted({place.continent for place in places})
    continent_of = np.array([continents.index(place.continent) for place in places])
    traits = np.empty((N_TRAITS, home.size), dtype=np.float32)
    for trait in traits:
        of_place = 0.55 * noise(len(continents), rng)[continent_of] + 0.7 * noise(len(places), rng)
        trait[:] = of_place[home] + noise(home.size, rng)
        for name, effect in (("education", 0.35), ("urbanity", 0.25), ("age", 0.3)):
            trait += effect * rng.choice([-1.0, 1.0]) * tendencies[name]
        trait[:] = standardised(trait)
    return traits
