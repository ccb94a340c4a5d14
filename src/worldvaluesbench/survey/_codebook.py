"""The codebook: what was asked, and what every code means. Loaded from `data/wvs7`, checked as a whole.

All else joins on the integer codes defined here; labels and wordings are for display.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from types import MappingProxyType
from typing import Literal, cast

from worldvaluesbench.errors import CodebookError
from worldvaluesbench.stats import Scale

Kind = Literal["choice", "year", "date", "age", "count"]

N_ITEMS, N_ATTRIBUTES, N_TOPICS, N_PAPER_PROBE = 239, 42, 12, 36


@dataclass(frozen=True, slots=True)
class Choice:
    """A code and its label, as in the survey file, before any recode."""

    code: int
    label: str


@dataclass(frozen=True, slots=True)
class Item:
    """One value question with its scale.

    `choices` are the codes of the survey file; `recodes` says which of them become another rating (or None:
    listed, but with no place on the scale); `labels` are the labels of the scale points, in order.
    """

    item_id: str
    topic: str
    name: str
    stem: str
    question: str
    scale: Scale
    choices: tuple[Choice, ...]
    recodes: Mapping[int, int | None]
    is_in_paper_probe: bool

    @property
    def labels(self) -> tuple[str, ...]:
        """The label of every scale point, lowest first: that of the raw code which became this rating."""
        by_rating: dict[int, str] = {}
        for choice in self.choices:
            rating = self.rating_of(choice.code)
            # a code that joins a point which has a code of its own does not rename that point
            if rating is not None and (rating not in by_rating or choice.code == rating):
                by_rating[rating] = choice.label
        return tuple(by_rating[rating] for rating in self.scale.ratings if rating in by_rating)

    def rating_of(self, code: int) -> int | None:
        """The rating that a raw code of the survey file becomes; None where it has no place on the scale."""
        return self.recodes.get(code, code)

    def label_of(self, rating: int) -> str:
        """The label of a scale point.

        Raises CodebookError off the scale.
        """
        if rating not in self.scale:
            raise CodebookError(f"{self.item_id}: {rating} is not on its scale {self.scale}.")
        return self.labels[rating - self.scale.low]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One demographic variable: either coded choices, or (year, date, age, count) a number from `low` to `high`."""

    attribute_id: str
    name: str
    question: str
    kind: Kind
    choices: Mapping[int, str]
    low: int | None = None
    high: int | None = None

    @property
    def is_free(self) -> bool:
        """Whether the value is a number that means itself."""
        return self.kind != "choice"

    def label_of(self, code: int) -> str:
        """What a valid code says, as text.

        Raises CodebookError for a code that is not valid.
        """
        if self.is_free:
            return _date_text(code) if self.kind == "date" else str(code)
        try:
            return self.choices[code]
        except KeyError:
            raise CodebookError(f"{self.attribute_id}: the codebook lists no code {code}.") from None


@dataclass(frozen=True, slots=True)
class Country:
    """A country or territory of the survey, with the continent the paper puts it in; ISO has no `alpha2` for some."""

    code: int
    alpha2: str
    alpha3: str
    name: str
    continent: str
    is_in_version_5: bool


@dataclass(frozen=True, slots=True)
class MissingReason:
    """Why there is no rating: its negative code in our tables, its name and meaning, and its codes in survey files."""

    code: int
    reason: str
    meaning: str
    file_codes: tuple[int, ...]


@dataclass(frozen=True)
class Codebook:
    """All items, attributes, countries, missing reasons and inverted columns of wave 7, in questionnaire order."""

    items: tuple[Item, ...]
    attributes: tuple[Attribute, ...]
    countries: tuple[Country, ...]
    missing_reasons: tuple[MissingReason, ...]
    inverted: Mapping[str, Mapping[int, int | None]]

    @cached_property
    def _items(self) -> dict[str, Item]:
        return {item.item_id: item for item in self.items}

    @cached_property
    def _attributes(self) -> dict[str, Attribute]:
        return {attribute.attribute_id: attribute for attribute in self.attributes}

    @cached_property
    def topics(self) -> tuple[str, ...]:
        """The 12 topics in questionnaire order."""
        return tuple(dict.fromkeys(item.topic for item in self.items))

    @property
    def item_ids(self) -> tuple[str, ...]:
        """The ids of all items, in questionnaire order."""
        return tuple(self._items)

    @property
    def attribute_ids(self) -> tuple[str, ...]:
        """The ids of all attributes, in the codebook's order."""
        return tuple(self._attributes)

    def item(self, item_id: str) -> Item:
        """The item of this id.

        Raises CodebookError for an unknown id.
        """
        try:
            return self._items[item_id]
        except KeyError:
            raise CodebookError(f"There is no item {item_id!r}; `wvb items` lists all {len(self.items)}.") from None

    def attribute(self, attribute_id: str) -> Attribute:
        """The attribute of this id.

        Raises CodebookError for an unknown id.
        """
        try:
            return self._attributes[attribute_id]
        except KeyError:
            known = ", ".join(self._attributes)
            raise CodebookError(f"There is no attribute {attribute_id!r}; there are {known}.") from None

    def missing_code(self, reason: str) -> int:
        """The negative code that stands for a missing reason in our tables."""
        return next(missing.code for missing in self.missing_reasons if missing.reason == reason)


@cache
def load_codebook() -> Codebook:
    """The packaged codebook of wave 7, checked as a whole.

    Raises CodebookError where the packaged tables contradict one another.
    """
    codebook = Codebook(
        items=tuple(_load_items()),
        attributes=tuple(_load_attributes()),
        countries=tuple(_load_countries()),
        missing_reasons=tuple(_load_missing_reasons()),
        inverted=_load_inverted(),
    )
    check_codebook(codebook)
    return codebook


def check_codebook(codebook: Codebook) -> None:
    """Check a codebook as a whole: totals, uniqueness, and that every scale point has the label of its raw code.

    Raises CodebookError with the first contradiction found.
    """
    _expect("items", len(codebook.items), N_ITEMS)
    _expect("attributes", len(codebook.attributes), N_ATTRIBUTES)
    _expect("topics", len(codebook.topics), N_TOPICS)
    _expect("items in the paper's probe", sum(item.is_in_paper_probe for item in codebook.items), N_PAPER_PROBE)
    for what, values in (
        ("item_id", [item.item_id for item in codebook.items]),
        ("item name", [item.name for item in codebook.items]),
        ("question", [item.question for item in codebook.items]),
        ("attribute_id", [attribute.attribute_id for attribute in codebook.attributes]),
        ("country code", [country.code for country in codebook.countries]),
        ("alpha3", [country.alpha3 for country in codebook.countries]),
    ):
        twice = [value for value, n in Counter(values).items() if n > 1]
        if twice:
            raise CodebookError(f"{what} {twice[0]!r} occurs twice; each has one row.")
    for item in codebook.items:
        _check_item(item)
    surveyed = {country.code: country.name for country in codebook.countries}
    if surveyed != codebook.attribute("B_COUNTRY").choices:
        raise CodebookError("countries.csv and the choices of B_COUNTRY differ; each country has one name.")


def read_table(name: str) -> Iterator[dict[str, str]]:
    """The rows of a packaged table `data/wvs7/<name>.csv`, as text."""
    text = (files("worldvaluesbench") / "data" / "wvs7" / f"{name}.csv").read_text(encoding="utf-8")
    lines = csv.reader(text.splitlines())
    header = next(lines)
    # csv.DictReader does the same at a third of the speed, and every command waits for these tables
    for cells in lines:
        yield dict(zip(header, cells, strict=True))


def _load_items() -> Iterator[Item]:
    choices: dict[str, list[Choice]] = {}
    for row in read_table("choices"):
        choices.setdefault(row["item_id"], []).append(Choice(int(row["code"]), row["label"]))
    recodes: dict[str, dict[int, int | None]] = {}
    for row in read_table("recodes"):
        to_code = None if row["to_code"] == "missing" else int(row["to_code"])
        recodes.setdefault(row["item_id"], {})[int(row["from_code"])] = to_code
    rows = list(read_table("items"))
    _expect_same_keys("choices.csv", choices, [row["item_id"] for row in rows])
    for row in rows:
        yield Item(
            item_id=row["item_id"],
            topic=row["topic"],
            name=row["name"],
            stem=row["stem"],
            question=row["question"],
            scale=Scale(int(row["low"]), int(row["high"])),
            choices=tuple(choices[row["item_id"]]),
            recodes=MappingProxyType(recodes.pop(row["item_id"], {})),
            is_in_paper_probe=row["in_paper_probe"] == "1",
        )
    _expect_same_keys("recodes.csv", recodes, [])


def _load_attributes() -> Iterator[Attribute]:
    choices: dict[str, dict[int, str]] = {}
    for row in read_table("attribute_choices"):
        listed = choices.setdefault(row["attribute_id"], {})
        if listed.setdefault(int(row["code"]), row["label"]) != row["label"]:
            raise CodebookError(f"attribute_choices.csv: {row['attribute_id']} code {row['code']} has two labels.")
    rows = list(read_table("attributes"))
    _expect_same_keys(
        "attribute_choices.csv", choices, [row["attribute_id"] for row in rows if row["kind"] == "choice"]
    )
    for row in rows:
        is_free = row["kind"] != "choice"
        yield Attribute(
            attribute_id=row["attribute_id"],
            name=row["name"],
            question=row["question"],
            kind=cast(Kind, row["kind"]),
            choices=MappingProxyType(choices.get(row["attribute_id"], {})),
            low=int(row["low"]) if is_free else None,
            high=int(row["high"]) if is_free else None,
        )


def _load_countries() -> Iterator[Country]:
    for row in read_table("countries"):
        yield Country(
            code=int(row["code"]),
            alpha2=row["alpha2"],
            alpha3=row["alpha3"],
            name=row["name"],
            continent=row["continent"],
            is_in_version_5=row["in_v5"] == "1",
        )


def _load_missing_reasons() -> Iterator[MissingReason]:
    rows = list(read_table("missing"))
    for code in dict.fromkeys(int(row["code"]) for row in rows):
        same = [row for row in rows if int(row["code"]) == code]
        file_codes = tuple(int(row["file_code"]) for row in same if row["file_code"])
        yield MissingReason(code, same[0]["reason"], same[0]["meaning"], file_codes)


def _load_inverted() -> Mapping[str, Mapping[int, int | None]]:
    columns: dict[str, dict[int, int | None]] = {}
    for row in read_table("inverted"):
        standard = None if row["standard_code"].startswith("ambiguous:") else int(row["standard_code"])
        columns.setdefault(row["inverted_column"], {})[int(row["inverted_code"])] = standard
    return MappingProxyType({column: MappingProxyType(codes) for column, codes in columns.items()})


def _check_item(item: Item) -> None:
    codes = [choice.code for choice in item.choices]
    if len(set(codes)) != len(codes):
        raise CodebookError(f"choices.csv: {item.item_id} lists a code twice.")
    absent = sorted(set(item.recodes) - set(codes))
    if absent:
        raise CodebookError(f"recodes.csv: {item.item_id} recodes codes {absent} that choices.csv does not list.")
    ratings = {rating for code in codes if (rating := item.rating_of(code)) is not None}
    if ratings != set(item.scale.ratings):
        raise CodebookError(f"{item.item_id}: its codes become {sorted(ratings)}, but its scale is {item.scale}.")
    if not all(item.labels) or not item.question or not item.name:
        raise CodebookError(f"{item.item_id}: a label, its name or its question is empty.")


def _expect(what: str, found: int, expected: int) -> None:
    if found != expected:
        raise CodebookError(f"The codebook has {found} {what}, expected {expected}.")


def _expect_same_keys(name: str, table: Iterable[str], expected: Iterable[str]) -> None:
    extra, absent = sorted(set(table) - set(expected)), sorted(set(expected) - set(table))
    if extra or absent:
        raise CodebookError(f"{name}: no row for {absent}, unknown {extra}.")


def _date_text(code: int) -> str:
    year, month, day = code // 10_000, code // 100 % 100, code % 100
    if not 1 <= month <= 12:
        return f"{year:04d}"
    return f"{year:04d}-{month:02d}-{day:02d}" if 1 <= day <= 31 else f"{year:04d}-{month:02d}"
