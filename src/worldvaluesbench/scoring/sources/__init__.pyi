from ._answers import Answers as Answers, read_answers as read_answers
from ._baselines import (
    BASELINES as BASELINES, MAJORITY as MAJORITY, MAJORITY_POOLED as MAJORITY_POOLED, UNIFORM as UNIFORM,
    WORLD as WORLD, majority_distances as majority_distances, pooled_majority_distances as pooled_majority_distances,
    uniform_distances as uniform_distances, world_distances as world_distances,
)
from ._coverage import (
    coverage_sentences as coverage_sentences, describe_coverage as describe_coverage, sentences_of as sentences_of,
)
from ._groups import (
    EVERYONE as EVERYONE, Groups as Groups, POOLED as POOLED, find_groups as find_groups,
    scored_groups as scored_groups,
)
from ._imported import import_answers as import_answers
from ._kinds import (
    GUESSED as GUESSED, KINDS as KINDS, KIND_FROM as KIND_FROM, Kind as Kind, ORACLE as ORACLE, Pair as Pair,
    Sort as Sort, give_kinds as give_kinds, pairs_of as pairs_of, read_sort as read_sort, sorts_of as sorts_of,
    tested_pairs as tested_pairs,
)
from ._reference import (
    Humans as Humans, REFERENCES as REFERENCES, Reference as Reference, read_humans as read_humans,
    respondents_reference as respondents_reference, world_reference as world_reference,
)
from ._rows import Rows as Rows, sort_rows as sort_rows, split_of_most as split_of_most
