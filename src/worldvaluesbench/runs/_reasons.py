"""What became of a row of answers: it counts, or is left out for one of these reasons."""

RUN_REASONS = {
    "several_numbers": "more than one number could be the answer",
    "refusal": "the model declines to answer",
    "truncated": "the completion breaks off before an answer stands in it",
    "filtered": "the endpoint withheld the completion",
    "no_probabilities": "the endpoint gave no log-probabilities, or not one for each option",
    "low_coverage": "less of the probability than the minimum coverage is known to be on the options",
    "ambiguous": "too much of the probability is on tokens that may begin several options",
    "no_shares": "no share of any option is stated",
    "missing_options": "an option is given no share",
    "unknown_options": "a share is given to something that is no option",
    "several_shares": "an option is given two different shares",
    "not_a_share": "a share is negative or no number",
    "bad_sum": "the stated shares do not sum to 100 or to 1",
}
"""What only runs say of their rows; the other reasons fit a file of answers as well."""

REASONS = {
    "unknown_item": "the item id is none of ours",
    "unknown_id": "the reference has no respondent of this id",
    "other_split": "the respondent is in another split than most rows are for",
    "empty": "there is no answer",
    "no_number": "the answer is not a number",
    "not_integer": "the answer is a number, but not a whole one",
    "off_scale": "the answer is a whole number beyond the item's scale",
    **RUN_REASONS,
    "no_response": "the person gave no valid response to the item",
    "duplicate": "an earlier row that counts has the same item and respondent",
}
"""Why a row is left out. A row that several reasons fit is counted under the first of them, in this order."""

UNPARSED = ("empty", "no_number", "not_integer", "off_scale", *RUN_REASONS)
"""Those that a run may have found for itself, in the column `unparsed` of its answers."""

VALID = "valid"
OUTCOMES = (VALID, *REASONS)
"""Every row of a file or run has one of these outcomes."""
