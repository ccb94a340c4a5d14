from . import (
    asking as asking, baselines as baselines, benchmark as benchmark, models as models, parsing as parsing,
    pipeline as pipeline, planning as planning, prompts as prompts, reporting as reporting, scoring as scoring,
    stats as stats, survey as survey,
)
from ._version import __version__ as __version__
from .asking import Budget as Budget, ask as ask, begin_run as begin_run, load_run as load_run
from .baselines import build_baseline as build_baseline, build_baselines as build_baselines
from .benchmark import (
    Dataset as Dataset, build_dataset as build_dataset, build_probe as build_probe, export_tsv as export_tsv,
    load_dataset as load_dataset,
)
from .errors import WorldValuesBenchError as WorldValuesBenchError
from .models import FunctionModel as FunctionModel
from .models.hosted import HostedModel as HostedModel
from .models.local import LocalModel as LocalModel
from .parsing import parse_rating as parse_rating
from .pipeline import evaluate as evaluate, report_results as report_results
from .planning import (
    build_plan as build_plan, estimate_costs as estimate_costs, probe_examples as probe_examples,
    read_examples as read_examples, split_examples as split_examples,
)
from .prompts import make_settings as make_settings
from .reporting import read_bundle as read_bundle, write_bundle as write_bundle
from .reporting.figures import write_figures as write_figures
from .reporting.page import write_report as write_report
from .reporting.tables import write_table_set as write_table_set
from .scoring import How as How, Scores as Scores, score_answers as score_answers, write_scores as write_scores
from .scoring.compare import (
    Comparison as Comparison, compare_answers as compare_answers, load_comparison as load_comparison,
    merge_comparisons as merge_comparisons, write_comparison as write_comparison,
)
from .scoring.sources import (
    import_answers as import_answers, read_answers as read_answers, respondents_reference as respondents_reference,
    world_reference as world_reference,
)
from .stats import Resampling as Resampling, wasserstein as wasserstein
from .survey import Grouping as Grouping, inspect_microdata as inspect_microdata, load_codebook as load_codebook
from .survey.synthetic import write_synthetic as write_synthetic
