from ._build import build_baseline as build_baseline, build_baselines as build_baselines, makeable as makeable
from ._options import (
    BASELINES as BASELINES, BaselineName as BaselineName, BaselineOptions as BaselineOptions, SOURCES as SOURCES,
)
