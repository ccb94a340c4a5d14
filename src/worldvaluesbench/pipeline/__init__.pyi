from ._demo import (
    BY_COUNTRY as BY_COUNTRY, DATASET as DATASET, Demo as Demo, FITS as FITS, RESULTS as RESULTS, SURVEY as SURVEY,
    WORLD as WORLD, Watches as Watches, explain_order as explain_order, run_demo as run_demo,
)
from ._design import design_of as design_of
from ._report import COMPARED_BY as COMPARED_BY, report_results as report_results
from ._results import (
    DEFAULT_PROBE as DEFAULT_PROBE, Results as Results, ask_model as ask_model, evaluate as evaluate,
    plan_probe as plan_probe, run_name as run_name, score_results as score_results,
)
