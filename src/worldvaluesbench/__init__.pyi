from ._version import __version__ as __version__
from .asking._ask import ask as ask
from .asking._budget import Budget as Budget
from .asking._finish import Outcome as Outcome
from .asking._imported import import_answers as import_answers
from .asking._progress import Progress as Progress
from .asking._run import Run as Run, begin_run as begin_run, open_run as open_run
from .asking.batch._files import (
    BatchFiles as BatchFiles, BatchLimits as BatchLimits, BatchModel as BatchModel, export_batch as export_batch,
)
from .asking.batch._importing import BatchImport as BatchImport, import_batch as import_batch
from .baselines._build import build_baseline as build_baseline, build_baselines as build_baselines
from .baselines._options import BaselineOptions as BaselineOptions
from .benchmark._build import build_dataset as build_dataset
from .benchmark._dataset import Dataset as Dataset, load_dataset as load_dataset
from .benchmark._edition import Edition as Edition, load_edition as load_edition
from .benchmark._export import export_tsv as export_tsv
from .benchmark._probe import ProbeSet as ProbeSet, build_probe as build_probe, draw_probe as draw_probe
from .benchmark._spec import ProbeSpec as ProbeSpec, read_spec as read_spec
from .benchmark._verify import Verification as Verification, verify_samples as verify_samples
from .errors import WorldValuesBenchError as WorldValuesBenchError
from .models._model import (
    FunctionModel as FunctionModel, Model as Model, TextModel as TextModel, TokenModel as TokenModel,
)
from .models.hosted._hosted import HostedModel as HostedModel, HostedOptions as HostedOptions
from .models.local._local import LocalModel as LocalModel, LocalOptions as LocalOptions
from .models.mock._server import MockOptions as MockOptions, MockServer as MockServer, mock_server as mock_server
from .parsing._parse import Unparsed as Unparsed, parse_rating as parse_rating
from .pipeline._report import report_results as report_results
from .pipeline._results import (
    Results as Results, ask_model as ask_model, plan_probe as plan_probe, score_results as score_results,
)
from .planning._costs import Costs as Costs, estimate_costs as estimate_costs, load_tokenizer as load_tokenizer
from .planning._examples import (
    ExampleSet as ExampleSet, probe_examples as probe_examples, read_examples as read_examples,
    split_examples as split_examples,
)
from .planning._plan import Plan as Plan, build_plan as build_plan
from .prompts._persona import Persona as Persona, persona_of as persona_of
from .prompts._presets import Preset as Preset, load_presets as load_presets
from .prompts._prompt import (
    Template as Template, load_template as load_template, read_template as read_template,
    render_prompt as render_prompt,
)
from .prompts._request import Completion as Completion, Reply as Reply, Request as Request, Sampling as Sampling
from .prompts._settings import Settings as Settings, settle as settle
from .reporting.bundle._bundle import write_bundle as write_bundle
from .reporting.bundle._file import check_bundle as check_bundle, read_bundle as read_bundle
from .reporting.figures._attainment import plot_attainment as plot_attainment
from .reporting.figures._demographics import plot_demographics as plot_demographics
from .reporting.figures._disparity import plot_disparity as plot_disparity
from .reporting.figures._distributions import plot_distributions as plot_distributions
from .reporting.figures._diversity import plot_collapse as plot_collapse
from .reporting.figures._figure_set import write_figures as write_figures
from .reporting.figures._forest import plot_forest as plot_forest
from .reporting.figures._heatmap import plot_groups as plot_groups, plot_heatmap as plot_heatmap
from .reporting.figures._save import save_figure as save_figure
from .reporting.figures._world import plot_map as plot_map
from .reporting.page._page import write_report as write_report
from .reporting.tables._published import load_published as load_published
from .reporting.tables._writing import write_table_set as write_table_set
from .scoring._config import How as How
from .scoring._score import score_answers as score_answers
from .scoring._scores import Scores as Scores, write_scores as write_scores
from .scoring.compare._compare import compare_answers as compare_answers
from .scoring.compare._comparison import (
    Comparison as Comparison, read_comparison as read_comparison, write_comparison as write_comparison,
)
from .scoring.compare._merge import merge_comparisons as merge_comparisons
from .scoring.sources._answers import Answers as Answers, read_answers as read_answers
from .scoring.sources._reference import (
    Reference as Reference, respondents_reference as respondents_reference, world_reference as world_reference,
)
from .stats._distribution import shares_of as shares_of, wasserstein as wasserstein
from .stats._estimate import Estimate as Estimate, Resampling as Resampling
from .stats._noise import noise_floor as noise_floor
from .stats._scale import Scale as Scale
from .survey._attributes import (
    DerivedAttribute as DerivedAttribute, Grouping as Grouping, parse_groupings as parse_groupings,
)
from .survey._catalogue import catalogue_of as catalogue_of, read_wordings as read_wordings
from .survey._codebook import (
    Attribute as Attribute, Choice as Choice, Codebook as Codebook, Country as Country, Item as Item,
    MissingReason as MissingReason, load_codebook as load_codebook,
)
from .survey._inspection import Inspection as Inspection, inspect_microdata as inspect_microdata
from .survey._marginals import Marginals as Marginals, load_marginals as load_marginals
from .survey._responses import UnlistedCode as UnlistedCode
from .survey.reader._microdata import Microdata as Microdata, Source as Source, read_microdata as read_microdata
from .survey.synthetic._synthetic import build_synthetic as build_synthetic, write_synthetic as write_synthetic
