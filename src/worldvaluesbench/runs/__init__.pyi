from ._folder import (
    ANSWERS as ANSWERS, ANSWER_COLUMNS as ANSWER_COLUMNS, EXAMPLES as EXAMPLES, JOURNAL as JOURNAL,
    REQUESTS as REQUESTS, RUN as RUN, RUN_KIND as RUN_KIND, RunFolder as RunFolder,
    complete_answers as complete_answers, describe_run as describe_run, examples_of as examples_of,
    fingerprint_of as fingerprint_of, is_finished as is_finished, is_run as is_run, read_run as read_run,
    used_versions as used_versions, write_precomputed_run as write_precomputed_run,
)
from ._reasons import OUTCOMES as OUTCOMES, REASONS as REASONS, UNPARSED as UNPARSED, VALID as VALID
