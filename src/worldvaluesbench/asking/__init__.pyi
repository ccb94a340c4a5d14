from ._answers import COLUMNS as COLUMNS, write_answers as write_answers
from ._ask import Watch as Watch, ask as ask
from ._budget import Budget as Budget, CostIs as CostIs, Spending as Spending
from ._finish import Outcome as Outcome, finish_run as finish_run, used_versions as used_versions
from ._imported import import_answers as import_answers
from ._journal import Journal as Journal, damage_note as damage_note, open_journal as open_journal, sound as sound
from ._precomputed import (
    RUN_KIND as RUN_KIND, describe_unasked as describe_unasked, write_unasked_run as write_unasked_run,
)
from ._progress import Progress as Progress
from ._received import Received as Received, read_received as read_received
from ._run import (
    Run as Run, begin_run as begin_run, check_unchanged as check_unchanged, note_export as note_export,
    note_names as note_names, open_run as open_run, settings_of as settings_of,
)
