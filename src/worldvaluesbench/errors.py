"""Everything that can go wrong by way of input, as one tree of exceptions.

::

    WorldValuesBenchError
    ├── ScaleError        a scale, rating or distribution that cannot be one
    ├── CodebookError     codebook tables, ours or a given catalogue, that contradict one another
    ├── SurveyFileError   a survey file that cannot be read as what it says it is
    ├── FolderError       a result folder or file that is unfinished, foreign or cannot be written
    ├── DatasetError      a dataset that cannot be built from, or does not hold, what was asked for
    ├── ProbeError        a probe specification that is malformed or impossible
    ├── PromptError       a prompt template, preset or persona that cannot be rendered
    ├── ModelError        a model or endpoint that cannot be asked
    │   └── LogprobError  what is given as log-probabilities and cannot be any
    ├── RunError          a run that cannot be begun, resumed or read
    ├── AnswersError      a file of answers that cannot be scored
    └── BundleError       a bundle that cannot be made, read or trusted

Every message is one line: what is wrong, where, what was expected, what to do. The command line prints it
and exits with code 1; anything else that is raised is a bug and keeps its traceback.
"""


class WorldValuesBenchError(Exception):
    """The root: catch it to catch every error that is about input rather than about a bug."""


class ScaleError(WorldValuesBenchError):
    """A scale, rating or distribution that cannot be one."""


class CodebookError(WorldValuesBenchError):
    """Codebook tables, ours or a given catalogue, that contradict one another."""


class SurveyFileError(WorldValuesBenchError):
    """A survey file that cannot be read as what it says it is."""


class FolderError(WorldValuesBenchError):
    """A result folder or file that is unfinished, foreign or cannot be written."""


class DatasetError(WorldValuesBenchError):
    """A dataset that cannot be built from, or does not hold, what was asked for."""


class ProbeError(WorldValuesBenchError):
    """A probe specification that is malformed or impossible."""


class PromptError(WorldValuesBenchError):
    """A prompt template, preset or persona that cannot be rendered."""


class ModelError(WorldValuesBenchError):
    """A model or endpoint that cannot be asked."""


class LogprobError(ModelError):
    """What is given as log-probabilities and cannot be any."""


class RunError(WorldValuesBenchError):
    """A run that cannot be begun, resumed or read."""


class AnswersError(WorldValuesBenchError):
    """A file of answers that cannot be scored."""


class BundleError(WorldValuesBenchError):
    """A bundle that cannot be made, read or trusted."""
