"""Why an answer does not count: the one list of reasons, for parsers, runs and scores."""

COMPLETION_REASONS = {
    "empty": "there is no answer, or nothing after the model's reasoning",
    "no_number": "no number is offered as the answer; it may be `null`, or a number of something else",
    "not_integer": "the answer is a number between scale points, such as 3.5",
    "off_scale": "the answer is a whole number that the scale does not have",
    "several_numbers": "more than one number could be the answer",
    "refusal": "the model declines to answer",
    "truncated": "the text breaks off before an answer",
    "filtered": "the endpoint withheld the text (finish reason `content_filter`)",
}
"""Why a completion holds no rating. A file of answers can have the first four."""

DISTRIBUTION_REASONS = {
    "no_probabilities": "the endpoint gave no log-probabilities, or not one for each option",
    "low_coverage": "none of the probability, or less than the minimum coverage, is known to be on the options",
    "ambiguous": "more than 1% of the probability is on tokens that may begin several options",
    "no_shares": "no share of any option is given",
    "missing_options": "an option is given no share",
    "unknown_options": "a share is given to something that is not an option",
    "several_shares": "an option is given two different shares",
    "not_a_share": "a share is negative or not a number",
    "bad_sum": "the shares do not sum to 100 (or to 1), within 2%",
}
"""Why probabilities or stated shares hold no distribution, beside what can be wrong with any completion."""

UNPARSED_REASONS = COMPLETION_REASONS | DISTRIBUTION_REASONS
UNPARSED = tuple(UNPARSED_REASONS)
"""The values of the column `unparsed` in the answers of a run; docs/methods.md explains each."""

REASONS = {
    "unknown_item": "the codebook has no item of this id",
    "unknown_id": "the reference has no respondent of this id",
    "other_split": "the respondent is in another split than most rows are for",
    **UNPARSED_REASONS,
    "no_response": "the respondent gave no valid response to the item",
    "duplicate": "an earlier row that counts has the same item and respondent",
}
"""Why scoring leaves a row out. A row that several reasons fit is counted under the first of them, in this order."""

VALID = "valid"
OUTCOMES = (VALID, *REASONS)
"""Every row of a file or run has one of these outcomes."""
