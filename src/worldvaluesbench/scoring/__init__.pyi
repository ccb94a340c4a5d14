from ._config import How as How, MIN_N as MIN_N, MIN_N_STATED as MIN_N_STATED
from ._score import (
    check_sources as check_sources, items_of as items_of, open_sources as open_sources, score_answers as score_answers,
    score_sources as score_sources,
)
from ._scores import (
    KIND as KIND, Scores as Scores, once_a_baseline as once_a_baseline, receipt_of as receipt_of,
    scores_document as scores_document, write_scores as write_scores, write_tables as write_tables,
)
