from ._ask import Watch as Watch, ask as ask
from ._budget import Budget as Budget, CostIs as CostIs
from ._journal import damage_note as damage_note
from ._outcome import Outcome as Outcome, Progress as Progress, finish_run as finish_run
from ._run import (
    Run as Run, begin_run as begin_run, load_run as load_run, note_export as note_export, note_names as note_names,
    settings_of as settings_of,
)
from ._state import RunState as RunState, open_state as open_state, write_answers as write_answers
