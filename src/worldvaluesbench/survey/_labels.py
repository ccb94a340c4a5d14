"""The codebook's own labels: with its slips, its country prefixes and those of its missing codes.

Ours, which are shown, are the codebook's put right (`data/wvs7/label_changes.csv`). The codebook's are what published
code groups by, and what a survey file says of its own numbers.
"""

import math
import re
from collections.abc import Mapping
from functools import cache

from worldvaluesbench.errors import SurveyFileError
from worldvaluesbench.survey._codebook import Codebook, load_codebook, read_table
from worldvaluesbench.survey._columns import ColumnChoice
from worldvaluesbench.survey.reader import shown

Labels = Mapping[int, str]


@cache
def load_codebook_labels() -> Mapping[str, Labels]:
    """The label of every code, missing ones included, as the survey's codebook prints it; by item or attribute."""
    codebook = load_codebook()
    labels = {item.item_id: {choice.code: choice.label for choice in item.choices} for item in codebook.items}
    labels |= {attribute.attribute_id: dict(attribute.choices) for attribute in codebook.attributes}
    prefixes = {(row["attribute_id"], int(row["country"])): row["prefix"] for row in read_table("label_prefixes")}
    for attribute_id in {attribute_id for attribute_id, _ in prefixes}:
        for code, label in labels[attribute_id].items():
            labels[attribute_id][code] = f"{prefixes[attribute_id, country_of_code(code)]}: {label}"
    for table, key in (("label_changes", "item_id"), ("codebook_labels", "attribute_id")):
        for row in read_table(table):
            labels[row[key]][int(row["code"])] = row["codebook_label"]
    return labels


def country_of_code(code: int) -> int:
    """The country in front of a town's or ethnic group's code, of which the last three or four digits are its own.

    >>> country_of_code(20001), country_of_code(788_001), country_of_code(7_881_001)
    (20, 788, 788)
    """
    return code // 1000 if code < 1_000_000 else code // 10_000


def check_value_labels(
    value_labels: Mapping[str, Mapping[float, str]], choice: ColumnChoice, where: str, codebook: Codebook
) -> None:
    """Refuse a file that says of its own numbers that they are positions in a list, and not codes.

    So it is where a tool wrote categories in place of codes: 0 is then labelled "-2", or "Very important", which is 1.

    Raises SurveyFileError for the first column whose labels are numbers that differ from those they label, or more of
    whose labels are the codebook's for other codes than for the same; or any, where what is labelled counts from 0.
    """
    for ours, name in choice.columns.items():
        contradiction = _contradiction(value_labels.get(name, {}), ours, choice, codebook)
        if contradiction is not None:
            code, label = contradiction
            raise SurveyFileError(
                f"{where}: column {shown(name)} labels {code:g} as {shown(label)}, so its cells are positions in a "
                f"list of categories, as pandas writes them, and no codes; give the file as downloaded, or save it "
                f"with the codes as plain numbers."
            )


def _contradiction(
    labelled: Mapping[float, str], ours: str, choice: ColumnChoice, codebook: Codebook
) -> tuple[float, str] | None:
    inverted = codebook.inverted[choice.inverted[ours]] if ours in choice.inverted else {}
    codes_by_label: dict[str, set[int]] = {}
    for labels in (load_codebook_labels().get(ours, {}), _our_labels(ours, codebook)):
        for code, label in labels.items():
            codes_by_label.setdefault(_folded(label), set()).add(code)
    others: list[tuple[float, str]] = []
    n_same = 0
    for value, label in labelled.items():
        if not math.isfinite(value):
            continue
        same = {value, inverted.get(int(value), value)}
        number = _number_of(label)
        if number is not None and number not in same:
            return value, label
        codes = codes_by_label.get(_folded(label), set())
        if value >= 0 and codes:  # files spell the labels of missing codes in many ways
            n_same += bool(codes & same)
            others += [(value, label)] * (not codes & same)
    is_list = set(labelled) == set(range(len(labelled)))  # as pandas counts; by chance some positions are codes
    return others[0] if others and (is_list or len(others) > n_same) else None


def _our_labels(ours: str, codebook: Codebook) -> Labels:
    if ours in codebook.attribute_ids:
        return codebook.attribute(ours).choices
    return {choice.code: choice.label for choice in codebook.item(ours).choices} if ours in codebook.item_ids else {}


def _number_of(label: str) -> float | None:
    return float(label) if re.fullmatch(r"\s*[+-]?\d+(\.0*)?\s*", label) else None


def _folded(label: str) -> str:
    return "".join(letter for letter in label.casefold() if letter.isalnum())
