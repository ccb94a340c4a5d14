"""The inverted edition of a survey file, whose "backwards" items are reversed, turned back to standard codes."""

from collections.abc import Mapping

import polars as pl

from worldvaluesbench.survey import Codebook

# An inverted column's code that stands for two standard codes and cannot be turned back.
AMBIGUOUS_CODE = -1008

# An inverted code unknown to the codebook must not be taken for the standard code of the same number. The offset is
# beyond every code of the survey, so that it can be taken off again to tell the user what the file holds.
UNKNOWN_OFFSET = 1_000_000_000


def turn_back(frame: pl.DataFrame, inverted: Mapping[str, str], codebook: Codebook) -> tuple[pl.DataFrame, list[str]]:
    """A frame with the columns in `inverted` (our name -> inverted column) in standard codes, and notes for the user.

    Missing codes and blanks stay. A code that merged two becomes AMBIGUOUS_CODE. A code that the inverted column
    should not have becomes one that the codebook does not list: itself, or itself plus UNKNOWN_OFFSET.
    """
    turned = frame.with_columns(
        pl.col(name).replace(_standard_codes(name, codebook.inverted[column], codebook))
        for name, column in inverted.items()
    )
    notes = []
    for name, column in inverted.items():
        if None not in codebook.inverted[column].values():
            continue
        n_ambiguous = int((turned[name] == AMBIGUOUS_CODE).sum())
        if n_ambiguous:
            codes = sorted(code for code, standard in codebook.inverted[column].items() if standard is None)
            notes.append(
                f"{column} of this inverted file merged two codes of {name} into {codes[0]}: "
                f"{n_ambiguous} responses cannot be turned back and are missing (ambiguous)."
            )
    return turned, notes


def code_in_file(code: int, inverted: Mapping[int, int | None]) -> int:
    """The code of an inverted column (given by its codebook table) that `turn_back` made one the codebook lacks."""
    if code == AMBIGUOUS_CODE:
        return next((before for before, standard in inverted.items() if standard is None), code)
    return code - UNKNOWN_OFFSET if code >= UNKNOWN_OFFSET else code


def _standard_codes(name: str, inverted: Mapping[int, int | None], codebook: Codebook) -> dict[int, int]:
    if name in codebook.item_ids:
        listed = {choice.code for choice in codebook.item(name).choices}
    else:
        listed = set(codebook.attribute(name).choices)
    unknown = {code: UNKNOWN_OFFSET + code for code in listed if code not in inverted}
    known = {code: AMBIGUOUS_CODE if standard is None else standard for code, standard in inverted.items()}
    return unknown | known
