"""The columns of a survey file: which of them is which item, attribute, id or weight, whatever edition it is."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from worldvaluesbench.errors import SurveyFileError
from worldvaluesbench.survey.cells import shown
from worldvaluesbench.survey.codebook import Codebook

ID_COLUMN = "D_INTERVIEW"
COUNTRY_COLUMN = "B_COUNTRY"
WEIGHT_COLUMNS = ("W_WEIGHT", "S018", "PWGHT", "S017")
CLUSTER_COLUMNS = ("I_PSU", "N_REGION_WVS", "L_INTERVIEWER_NUMBER")
"""How respondents were sampled: primary sampling unit, region, interviewer. They name places and persons in the field,
so they stay in the dataset: never an attribute, a grouping, or part of a prompt, an export or anything shared."""

WAVE_COLUMN = "A_WAVE"
VERSION_COLUMN = "version"

EXPECTED = "expected the World Values Survey wave 7 file"
_EARLIER_WAVE = re.compile(r"V\d{1,3}")
_TREND_COLUMNS = {"S002", "S002VS", "S003", "X001"}


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """Which column of a file is read as which of ours.

    `columns` maps our name to the file's; `inverted` names those of ours that the file holds reversed, and the
    codebook's inverted column that undoes it; `doubled` those that the file holds both ways (the standard one is read).
    """

    columns: Mapping[str, str]
    inverted: Mapping[str, str]
    doubled: tuple[str, ...]


def choose_columns(names: Sequence[str], where: str, codebook: Codebook) -> ColumnChoice:
    """Find our columns among the column names of a file: by exact name first, then whatever the case.

    Raises SurveyFileError where the id, the country or every item is absent, where a needed column occurs twice,
    and where the names are labels.
    """
    questions = (*codebook.attribute_ids, *codebook.item_ids)
    found = _find_columns(
        names, where, (ID_COLUMN, VERSION_COLUMN, WAVE_COLUMN, *questions, *WEIGHT_COLUMNS, *CLUSTER_COLUMNS)
    )
    reversed_names = {question: f"{question}P" for question in questions if f"{question}P" in codebook.inverted}
    found_reversed = _find_columns(names, where, tuple(reversed_names.values()))
    _check_names(names, where, found)
    both = {question: name for question, name in reversed_names.items() if name in found_reversed}
    inverted = {question: name for question, name in both.items() if question not in found}
    columns = found | {question: found_reversed[name] for question, name in inverted.items()}
    if not any(item_id in columns for item_id in codebook.item_ids):
        raise SurveyFileError(f"{where}: none of the {len(codebook.item_ids)} items (Q1, Q2, ...); {EXPECTED}, whole.")
    return ColumnChoice(columns, inverted, tuple(question for question in both if question in found))


def _find_columns(names: Sequence[str], where: str, wanted: Sequence[str]) -> dict[str, str]:
    exact = Counter(names)
    folded: dict[str, list[str]] = {}
    for name in names:
        folded.setdefault(name.casefold(), []).append(name)
    found = {}
    for ours in wanted:
        candidates = [ours] * exact[ours] or folded.get(ours.casefold(), [])
        if len(candidates) > 1:
            raise SurveyFileError(
                f"{where}: {len(candidates)} columns are named {shown(candidates[0])}, expected one; "
                f"the file was edited, download it again."
            )
        if candidates:
            found[ours] = candidates[0]
    return found


def _check_names(names: Sequence[str], where: str, found: Mapping[str, str]) -> None:
    if ID_COLUMN in found and COUNTRY_COLUMN in found:
        return
    labelled = [name for name in names if re.match(r"(?:Q\d+P?|[A-Z]_[A-Z]+)[ :.]+\S", name)]
    if labelled:
        raise SurveyFileError(
            f"{where}: column {shown(labelled[0])} is named by its label, as in the text edition (CsvTxt); "
            f"download the csv, SPSS (sav) or Stata (dta) edition, whose names and cells are codes."
        )
    absent = COUNTRY_COLUMN if ID_COLUMN in found else ID_COLUMN
    raise SurveyFileError(f"{where}: no column {absent}; {EXPECTED}{_what_it_may_be(names)}.")


def _what_it_may_be(names: Sequence[str]) -> str:
    if sum(_EARLIER_WAVE.fullmatch(name) is not None for name in names) > 10:
        return ", this looks like an earlier wave (columns V1, V2, ...)"
    if len(_TREND_COLUMNS & set(names)) > 1:
        return ", this looks like the trend file of several waves (columns S002, S003, ...)"
    return f", found {len(names)} columns, the first {shown(names[0])}" if names else ", found no columns"
