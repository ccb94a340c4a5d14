from ._version import __version__ as __version__
from .asking import (
    Budget as Budget, Outcome as Outcome, Progress as Progress, Run as Run, ask as ask, begin_run as begin_run,
    load_run as load_run,
)
from .asking.batch import (
    BatchFiles as BatchFiles, BatchImport as BatchImport, BatchLimits as BatchLimits, BatchModel as BatchModel,
    export_batch as export_batch, import_batch as import_batch,
)
from .baselines import (
    BaselineOptions as BaselineOptions, build_baseline as build_baseline, build_baselines as build_baselines,
)
from .benchmark import (
    Dataset as Dataset, Edition as Edition, ProbeSet as ProbeSet, ProbeSpec as ProbeSpec, Verification as Verification,
    build_dataset as build_dataset, build_probe as build_probe, draw_probe as draw_probe, export_tsv as export_tsv,
    load_dataset as load_dataset, load_edition as load_edition, read_spec as read_spec,
    verify_samples as verify_samples,
)
from .errors import WorldValuesBenchError as WorldValuesBenchError
from .models import FunctionModel as FunctionModel, Model as Model, TextModel as TextModel, TokenModel as TokenModel
from .models.hosted import HostedModel as HostedModel, HostedOptions as HostedOptions
from .models.local import LocalModel as LocalModel, LocalOptions as LocalOptions
from .models.mock import MockOptions as MockOptions, MockServer as MockServer, mock_server as mock_server
from .parsing import Unparsed as Unparsed, parse_rating as parse_rating
from .pipeline import (
    Results as Results, ask_model as ask_model, plan_probe as plan_probe, report_results as report_results,
    score_results as score_results,
)
from .planning import (
    Costs as Costs, ExampleSet as ExampleSet, Plan as Plan, build_plan as build_plan, estimate_costs as estimate_costs,
    load_tokenizer as load_tokenizer, probe_examples as probe_examples, read_examples as read_examples,
    split_examples as split_examples,
)
from .prompts import (
    Completion as Completion, Persona as Persona, Preset as Preset, Reply as Reply, Request as Request,
    Sampling as Sampling, Settings as Settings, Template as Template, load_presets as load_presets,
    load_template as load_template, persona_of as persona_of, read_template as read_template,
    render_prompt as render_prompt, make_settings as make_settings,
)
from .reporting import check_bundle as check_bundle, read_bundle as read_bundle, write_bundle as write_bundle
from .reporting.figures import (
    plot_attainment as plot_attainment, plot_collapse as plot_collapse, plot_demographics as plot_demographics,
    plot_disparity as plot_disparity, plot_distributions as plot_distributions, plot_forest as plot_forest,
    plot_groups as plot_groups, plot_heatmap as plot_heatmap, plot_map as plot_map, save_figure as save_figure,
    write_figures as write_figures,
)
from .reporting.page import write_report as write_report
from .reporting.tables import load_published as load_published, write_table_set as write_table_set
from .scoring import How as How, Scores as Scores, score_answers as score_answers, write_scores as write_scores
from .scoring.compare import (
    Comparison as Comparison, compare_answers as compare_answers, load_comparison as load_comparison,
    merge_comparisons as merge_comparisons, write_comparison as write_comparison,
)
from .scoring.sources import (
    Answers as Answers, Reference as Reference, import_answers as import_answers, read_answers as read_answers,
    respondents_reference as respondents_reference, world_reference as world_reference,
)
from .stats import (
    Estimate as Estimate, Resampling as Resampling, Scale as Scale, noise_floor as noise_floor, shares_of as shares_of,
    wasserstein as wasserstein,
)
from .survey import (
    Attribute as Attribute, Choice as Choice, Codebook as Codebook, Country as Country,
    DerivedAttribute as DerivedAttribute, Grouping as Grouping, Inspection as Inspection, Item as Item,
    Marginals as Marginals, MissingReason as MissingReason, UnlistedCode as UnlistedCode, catalogue_of as catalogue_of,
    inspect_microdata as inspect_microdata, load_codebook as load_codebook, load_marginals as load_marginals,
    parse_groupings as parse_groupings, read_wordings as read_wordings,
)
from .survey.reader import Microdata as Microdata, Source as Source, read_microdata as read_microdata
from .survey.synthetic import build_synthetic as build_synthetic, write_synthetic as write_synthetic
