from ._build import build_dataset as build_dataset, what_corrected_changes as what_corrected_changes
from ._clusters import CLUSTERS as CLUSTERS, read_clusters as read_clusters
from ._dataset import Dataset as Dataset, EVERYONE as EVERYONE, load_dataset as load_dataset
from ._edition import Edition as Edition, load_edition as load_edition
from ._export import export_tsv as export_tsv
from ._identity import dataset_difference as dataset_difference, describe_dataset as describe_dataset
from ._probe import PROBE as PROBE, ProbeSet as ProbeSet, build_probe as build_probe, draw_probe as draw_probe
from ._spec import ProbeSpec as ProbeSpec, read_spec as read_spec
from ._split import SPLITS as SPLITS
from ._verify import Verification as Verification, verify_samples as verify_samples
from ._weights import (
    WEIGHTS as WEIGHTS, WeightName as WeightName, check_weights as check_weights, describe_weight as describe_weight,
    effective_n as effective_n, read_weights as read_weights,
)
