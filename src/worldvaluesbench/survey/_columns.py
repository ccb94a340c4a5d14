"""The columns of a survey file: which of them is which item, attribute, id or weight, whatever edition it is."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from worldvaluesbench.errors import SurveyFileError
from worldvaluesbench.survey._codebook import Codebook
from worldvaluesbench.survey.reader import shown

ID_COLUMN = "D_INTERVIEW"
COUNTRY_COLUMN = "B_COUNTRY"
COUNTRY_TEXT_COLUMN = "B_COUNTRY_ALPHA"
WEIGHT_COLUMNS = ("W_WEIGHT", "S018", "PWGHT", "S017")
CLUSTER_COLUMNS = ("I_PSU", "N_REGION_WVS", "L_INTERVIEWER_NUMBER")
"""How respondents were sampled: primary sampling unit, region, interviewer. They name places and persons in the field,
so they stay in the dataset: never an attribute, a grouping, or part of a prompt, an export or anything shared."""

WAVE_COLUMN = "A_WAVE"
VERSION_COLUMN = "version"

EXPECTED = "expected the World Values Survey wave 7 file"
_EARLIER_WAVE = re.compile(r"v\d{1,3}[a-z]?")
_TREND_COLUMNS = {"s002", "s002vs", "s003", "s007", "s020", "x001"}
_JOINT_COLUMNS = {"studyno", "uniqid", "cntry", "cntry_an", "gwght"}

# dBase cuts names after 10 characters, old SPSS after 8. Of these beginnings the survey has several columns.
_SHORTEST_CUT = 8
_SHARED_BEGINNINGS = {"g_townsi", "n_region"}

# "Q1: Important in life: Family", or as R writes it "Q1..Important.in.life"
_LABELLED_NAME = re.compile(r"(\w+)[ :.]+\S.*")
_ITEM = re.compile(r"Q\d+P?", re.IGNORECASE)
_LABELLED_ITEM = re.compile(r"Q\d+P?[ :.]+\S.*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """Which column of a file is read as which of ours.

    `columns` maps our name to the file's; `inverted` names those of ours that the file holds reversed, and the
    codebook's inverted column that undoes it; `doubled` those that the file holds both ways (the standard one is read).
    `notes` say in what way the names are not the survey's.
    """

    columns: Mapping[str, str]
    inverted: Mapping[str, str]
    doubled: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Spelling:
    """How a file spells the survey's names: with labels behind them, or cut after so many characters."""

    is_labelled: bool
    cut: int | None


def is_id_name(name: str) -> bool:
    """Whether this is the name of the column of ids: as the survey has it, with a label behind it, or cut."""
    plain = _without_label(name).casefold()
    return len(plain) >= _SHORTEST_CUT and ID_COLUMN.casefold().startswith(plain)


def choose_columns(names: Sequence[str], where: str, codebook: Codebook) -> ColumnChoice:
    """Find our columns among the column names of a file: by exact name first, then whatever the case.

    Raises SurveyFileError where the id, the country or every item is absent, and where a needed column occurs twice.
    """
    spelling = _spelling_of(names)
    questions = (*codebook.attribute_ids, *codebook.item_ids)
    others = (ID_COLUMN, COUNTRY_TEXT_COLUMN, VERSION_COLUMN, WAVE_COLUMN, *WEIGHT_COLUMNS, *CLUSTER_COLUMNS)
    found = _find_columns(names, where, (*others, *questions), spelling)
    country_text = found.pop(COUNTRY_TEXT_COLUMN, None)
    notes = _notes_on(found, spelling)
    if COUNTRY_COLUMN not in found and country_text is not None:
        found[COUNTRY_COLUMN] = country_text
        notes = (*notes, f"there is no column {COUNTRY_COLUMN}: countries are read from {country_text}.")
    reversed_names = {question: f"{question}P" for question in questions if f"{question}P" in codebook.inverted}
    found_reversed = _find_columns(names, where, tuple(reversed_names.values()), spelling)
    _check_names(names, where, found)
    both = {question: name for question, name in reversed_names.items() if name in found_reversed}
    inverted = {question: name for question, name in both.items() if question not in found}
    columns = found | {question: found_reversed[name] for question, name in inverted.items()}
    if not any(item_id in columns for item_id in codebook.item_ids):
        raise SurveyFileError(f"{where}: none of the {len(codebook.item_ids)} items (Q1, Q2, ...); {EXPECTED}, whole.")
    return ColumnChoice(columns, inverted, tuple(question for question in both if question in found), notes)


def _spelling_of(names: Sequence[str]) -> _Spelling:
    n_plain, n_labelled = (sum(bool(pattern.fullmatch(name)) for name in names) for pattern in (_ITEM, _LABELLED_ITEM))
    is_labelled = n_labelled > n_plain
    plain = (_without_label(name) if is_labelled else name for name in names)
    longest = max(map(len, filter(is_id_name, plain)), default=len(ID_COLUMN))
    return _Spelling(is_labelled, cut=longest if longest < len(ID_COLUMN) else None)


def _without_label(name: str) -> str:
    labelled = _LABELLED_NAME.fullmatch(name)
    return labelled[1] if labelled else name


def _notes_on(found: Mapping[str, str], spelling: _Spelling) -> tuple[str, ...]:
    if spelling.cut is None:
        return ()
    read_as = [f"{name} is read as {ours}" for ours, name in found.items() if len(name) < len(ours)]
    return (f"column names are cut after {spelling.cut} characters: {', '.join(read_as)}.",)


def _find_columns(names: Sequence[str], where: str, wanted: Sequence[str], spelling: _Spelling) -> dict[str, str]:
    exact = Counter(names)
    folded: dict[str, list[str]] = {}
    for name in names:
        folded.setdefault((_without_label(name) if spelling.is_labelled else name).casefold(), []).append(name)
    found = {}
    for ours in wanted:
        candidates = [ours] * exact[ours] or folded.get(ours.casefold(), [])
        if spelling.cut and len(ours) >= spelling.cut:
            beginning = ours.casefold()[: spelling.cut]
            is_shared = beginning[:_SHORTEST_CUT] in _SHARED_BEGINNINGS
            candidates = [] if is_shared else candidates or folded.get(beginning, [])
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
    absent = COUNTRY_COLUMN if ID_COLUMN in found else ID_COLUMN
    raise SurveyFileError(f"{where}: no column {absent}; {EXPECTED}{_what_it_may_be(names)}.")


def _what_it_may_be(names: Sequence[str]) -> str:
    folded = {name.casefold() for name in names}
    if len(_JOINT_COLUMNS & folded) > 2:
        return (
            ", this looks like the joint EVS/WVS file or one of the European Values Study (columns studyno, uniqid, "
            "cntry, ...), whose names and codes are others; download the cross-national WVS wave 7 file"
        )
    if sum(_EARLIER_WAVE.fullmatch(name) is not None for name in folded) > 10:
        return ", this looks like an earlier wave (columns V1, V2, ...); download wave 7"
    if len(_TREND_COLUMNS & folded) > 1:
        return ", this looks like the trend file of several waves (columns S002, S003, ...); download wave 7"
    return f", found {len(names)} columns, the first {shown(names[0])}" if names else ", found no columns"
