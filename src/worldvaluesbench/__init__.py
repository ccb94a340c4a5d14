"""Measure how well a language model knows what people around the world value.

>>> import worldvaluesbench as wvb
>>> wvb.load_codebook().item("Q1").scale.n_points
4
"""

from importlib import import_module
from typing import TYPE_CHECKING

from worldvaluesbench.version import __version__

if TYPE_CHECKING:
    from worldvaluesbench.baselines.build import build_baseline, build_baselines
    from worldvaluesbench.baselines.options import BaselineOptions
    from worldvaluesbench.benchmark.build import build_dataset
    from worldvaluesbench.benchmark.dataset import Dataset, load_dataset
    from worldvaluesbench.benchmark.edition import Edition, load_edition
    from worldvaluesbench.benchmark.export import export_tsv
    from worldvaluesbench.benchmark.probe import ProbeSet, build_probe, draw_probe
    from worldvaluesbench.benchmark.spec import ProbeSpec, read_spec
    from worldvaluesbench.benchmark.verify import Verification, verify_samples
    from worldvaluesbench.distribution import shares_of, wasserstein
    from worldvaluesbench.elicitation.ask import ask
    from worldvaluesbench.elicitation.batch import BatchFiles, BatchLimits, BatchModel, export_batch
    from worldvaluesbench.elicitation.batch_import import BatchImport, import_batch
    from worldvaluesbench.elicitation.budget import Budget
    from worldvaluesbench.elicitation.costs import Costs, estimate_costs, load_tokenizer
    from worldvaluesbench.elicitation.examples import ExampleSet, probe_examples, read_examples, split_examples
    from worldvaluesbench.elicitation.finish import Outcome
    from worldvaluesbench.elicitation.imported import import_answers
    from worldvaluesbench.elicitation.model import FunctionModel, Model, TextModel, TokenModel
    from worldvaluesbench.elicitation.models.hosted import HostedModel, HostedOptions
    from worldvaluesbench.elicitation.models.local import LocalModel, LocalOptions
    from worldvaluesbench.elicitation.models.mock import MockOptions, MockServer, mock_server
    from worldvaluesbench.elicitation.parse import Unparsed, parse_rating
    from worldvaluesbench.elicitation.persona import Persona, persona_of
    from worldvaluesbench.elicitation.plan import Plan, build_plan
    from worldvaluesbench.elicitation.presets import Preset, load_presets
    from worldvaluesbench.elicitation.progress import Progress
    from worldvaluesbench.elicitation.prompt import Template, load_template, read_template, render_prompt
    from worldvaluesbench.elicitation.request import Completion, Reply, Request, Sampling
    from worldvaluesbench.elicitation.run import Run, begin_run, open_run
    from worldvaluesbench.elicitation.settings import Settings, settle
    from worldvaluesbench.errors import WorldValuesBenchError
    from worldvaluesbench.estimate import Estimate, Resampling
    from worldvaluesbench.pipeline.report import report_results
    from worldvaluesbench.pipeline.results import Results, ask_model, plan_probe, score_results
    from worldvaluesbench.reporting.bundle import write_bundle
    from worldvaluesbench.reporting.bundle_file import check_bundle, read_bundle
    from worldvaluesbench.reporting.figure_set import write_figures
    from worldvaluesbench.reporting.figures.attainment import plot_attainment
    from worldvaluesbench.reporting.figures.collapse import plot_collapse
    from worldvaluesbench.reporting.figures.demographics import plot_demographics
    from worldvaluesbench.reporting.figures.disparity import plot_disparity
    from worldvaluesbench.reporting.figures.distributions import plot_distributions
    from worldvaluesbench.reporting.figures.forest import plot_forest
    from worldvaluesbench.reporting.figures.heatmap import plot_groups, plot_heatmap
    from worldvaluesbench.reporting.figures.world import plot_map
    from worldvaluesbench.reporting.page import write_report
    from worldvaluesbench.reporting.published import load_published
    from worldvaluesbench.reporting.save import save_figure
    from worldvaluesbench.reporting.tables import write_table_set
    from worldvaluesbench.scale import Scale
    from worldvaluesbench.scoring.answers import Answers, read_answers
    from worldvaluesbench.scoring.compare import compare_answers
    from worldvaluesbench.scoring.comparison import Comparison, read_comparison, write_comparison
    from worldvaluesbench.scoring.how import How
    from worldvaluesbench.scoring.merge import merge_comparisons
    from worldvaluesbench.scoring.noise import noise_floor
    from worldvaluesbench.scoring.reference import Reference, respondents_reference, world_reference
    from worldvaluesbench.scoring.score import score_answers
    from worldvaluesbench.scoring.scores import Scores, write_scores
    from worldvaluesbench.survey.attributes import DerivedAttribute, Grouping, parse_groupings
    from worldvaluesbench.survey.catalogue import catalogue_of, read_wordings
    from worldvaluesbench.survey.codebook import (
        Attribute,
        Choice,
        Codebook,
        Country,
        Item,
        MissingReason,
        load_codebook,
    )
    from worldvaluesbench.survey.inspection import Inspection, inspect_microdata
    from worldvaluesbench.survey.marginals import Marginals, load_marginals
    from worldvaluesbench.survey.microdata import Microdata, Source, read_microdata
    from worldvaluesbench.survey.responses import UnlistedCode
    from worldvaluesbench.survey.synthetic import build_synthetic, write_synthetic


__all__ = [
    "Answers",
    "Attribute",
    "BaselineOptions",
    "BatchFiles",
    "BatchImport",
    "BatchLimits",
    "BatchModel",
    "Budget",
    "Choice",
    "Codebook",
    "Comparison",
    "Completion",
    "Costs",
    "Country",
    "Dataset",
    "DerivedAttribute",
    "Edition",
    "Estimate",
    "ExampleSet",
    "FunctionModel",
    "Grouping",
    "HostedModel",
    "HostedOptions",
    "How",
    "Inspection",
    "Item",
    "LocalModel",
    "LocalOptions",
    "Marginals",
    "Microdata",
    "MissingReason",
    "MockOptions",
    "MockServer",
    "Model",
    "Outcome",
    "Persona",
    "Plan",
    "Preset",
    "ProbeSet",
    "ProbeSpec",
    "Progress",
    "Reference",
    "Reply",
    "Request",
    "Resampling",
    "Results",
    "Run",
    "Sampling",
    "Scale",
    "Scores",
    "Settings",
    "Source",
    "Template",
    "TextModel",
    "TokenModel",
    "UnlistedCode",
    "Unparsed",
    "Verification",
    "WorldValuesBenchError",
    "__version__",
    "ask",
    "ask_model",
    "begin_run",
    "build_baseline",
    "build_baselines",
    "build_dataset",
    "build_plan",
    "build_probe",
    "build_synthetic",
    "catalogue_of",
    "check_bundle",
    "compare_answers",
    "draw_probe",
    "estimate_costs",
    "export_batch",
    "export_tsv",
    "import_answers",
    "import_batch",
    "inspect_microdata",
    "load_codebook",
    "load_dataset",
    "load_edition",
    "load_marginals",
    "load_presets",
    "load_published",
    "load_template",
    "load_tokenizer",
    "merge_comparisons",
    "mock_server",
    "noise_floor",
    "open_run",
    "parse_groupings",
    "parse_rating",
    "persona_of",
    "plan_probe",
    "plot_attainment",
    "plot_collapse",
    "plot_demographics",
    "plot_disparity",
    "plot_distributions",
    "plot_forest",
    "plot_groups",
    "plot_heatmap",
    "plot_map",
    "probe_examples",
    "read_answers",
    "read_bundle",
    "read_comparison",
    "read_examples",
    "read_microdata",
    "read_spec",
    "read_template",
    "read_wordings",
    "render_prompt",
    "report_results",
    "respondents_reference",
    "save_figure",
    "score_answers",
    "score_results",
    "settle",
    "shares_of",
    "split_examples",
    "verify_samples",
    "wasserstein",
    "world_reference",
    "write_bundle",
    "write_comparison",
    "write_figures",
    "write_report",
    "write_scores",
    "write_synthetic",
    "write_table_set",
]

_HOMES = {
    "baselines.build": ("build_baseline", "build_baselines"),
    "baselines.options": ("BaselineOptions",),
    "benchmark.build": ("build_dataset",),
    "benchmark.dataset": ("Dataset", "load_dataset"),
    "benchmark.edition": ("Edition", "load_edition"),
    "benchmark.export": ("export_tsv",),
    "benchmark.probe": ("ProbeSet", "build_probe", "draw_probe"),
    "benchmark.spec": ("ProbeSpec", "read_spec"),
    "benchmark.verify": ("Verification", "verify_samples"),
    "distribution": ("shares_of", "wasserstein"),
    "elicitation.ask": ("ask",),
    "elicitation.batch": ("BatchFiles", "BatchLimits", "BatchModel", "export_batch"),
    "elicitation.batch_import": ("BatchImport", "import_batch"),
    "elicitation.budget": ("Budget",),
    "elicitation.costs": ("Costs", "estimate_costs", "load_tokenizer"),
    "elicitation.examples": ("ExampleSet", "probe_examples", "read_examples", "split_examples"),
    "elicitation.finish": ("Outcome",),
    "elicitation.imported": ("import_answers",),
    "elicitation.model": ("FunctionModel", "Model", "TextModel", "TokenModel"),
    "elicitation.models.hosted": ("HostedModel", "HostedOptions"),
    "elicitation.models.local": ("LocalModel", "LocalOptions"),
    "elicitation.models.mock": ("MockOptions", "MockServer", "mock_server"),
    "elicitation.parse": ("Unparsed", "parse_rating"),
    "elicitation.persona": ("Persona", "persona_of"),
    "elicitation.plan": ("Plan", "build_plan"),
    "elicitation.presets": ("Preset", "load_presets"),
    "elicitation.progress": ("Progress",),
    "elicitation.prompt": ("Template", "load_template", "read_template", "render_prompt"),
    "elicitation.request": ("Completion", "Reply", "Request", "Sampling"),
    "elicitation.run": ("Run", "begin_run", "open_run"),
    "elicitation.settings": ("Settings", "settle"),
    "errors": ("WorldValuesBenchError",),
    "estimate": ("Estimate", "Resampling"),
    "pipeline.report": ("report_results",),
    "pipeline.results": ("Results", "ask_model", "plan_probe", "score_results"),
    "reporting.bundle": ("write_bundle",),
    "reporting.bundle_file": ("check_bundle", "read_bundle"),
    "reporting.figure_set": ("write_figures",),
    "reporting.figures.attainment": ("plot_attainment",),
    "reporting.figures.collapse": ("plot_collapse",),
    "reporting.figures.demographics": ("plot_demographics",),
    "reporting.figures.disparity": ("plot_disparity",),
    "reporting.figures.distributions": ("plot_distributions",),
    "reporting.figures.forest": ("plot_forest",),
    "reporting.figures.heatmap": ("plot_groups", "plot_heatmap"),
    "reporting.figures.world": ("plot_map",),
    "reporting.page": ("write_report",),
    "reporting.published": ("load_published",),
    "reporting.save": ("save_figure",),
    "reporting.tables": ("write_table_set",),
    "scale": ("Scale",),
    "scoring.answers": ("Answers", "read_answers"),
    "scoring.compare": ("compare_answers",),
    "scoring.comparison": ("Comparison", "read_comparison", "write_comparison"),
    "scoring.how": ("How",),
    "scoring.merge": ("merge_comparisons",),
    "scoring.noise": ("noise_floor",),
    "scoring.reference": ("Reference", "respondents_reference", "world_reference"),
    "scoring.score": ("score_answers",),
    "scoring.scores": ("Scores", "write_scores"),
    "survey.attributes": ("DerivedAttribute", "Grouping", "parse_groupings"),
    "survey.catalogue": ("catalogue_of", "read_wordings"),
    "survey.codebook": ("Attribute", "Choice", "Codebook", "Country", "Item", "MissingReason", "load_codebook"),
    "survey.inspection": ("Inspection", "inspect_microdata"),
    "survey.marginals": ("Marginals", "load_marginals"),
    "survey.microdata": ("Microdata", "Source", "read_microdata"),
    "survey.responses": ("UnlistedCode",),
    "survey.synthetic": ("build_synthetic", "write_synthetic"),
}


def __getattr__(name: str) -> object:
    """A public name, imported when it is asked for, so that `wvb` starts fast."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"worldvaluesbench.{module}"), name)
    raise AttributeError(f"module 'worldvaluesbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
