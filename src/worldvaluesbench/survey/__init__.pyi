from ._attributes import (
    DerivedAttribute as DerivedAttribute, Grouping as Grouping, check_attribute_id as check_attribute_id,
    derive_attribute as derive_attribute, group_label as group_label, grouping_name as grouping_name,
    level_label as level_label, load_derived_attributes as load_derived_attributes, parse_groupings as parse_groupings,
)
from ._catalogue import (
    ORDINAL_ATTRIBUTES as ORDINAL_ATTRIBUTES, catalogue_of as catalogue_of, read_wordings as read_wordings,
)
from ._codebook import (
    Attribute as Attribute, Choice as Choice, Codebook as Codebook, Country as Country, Item as Item,
    MissingReason as MissingReason, load_codebook as load_codebook,
)
from ._columns import (
    CLUSTER_COLUMNS as CLUSTER_COLUMNS, COUNTRY_COLUMN as COUNTRY_COLUMN, ColumnChoice as ColumnChoice,
    EXPECTED as EXPECTED, ID_COLUMN as ID_COLUMN, VERSION_COLUMN as VERSION_COLUMN, WAVE_COLUMN as WAVE_COLUMN,
    WEIGHT_COLUMNS as WEIGHT_COLUMNS, choose_columns as choose_columns, is_id_name as is_id_name,
)
from ._inspection import Inspection as Inspection, inspect_microdata as inspect_microdata
from ._labels import (
    check_value_labels as check_value_labels, country_of_code as country_of_code,
    load_codebook_labels as load_codebook_labels,
)
from ._marginals import (
    Marginals as Marginals, N_INTERVIEWS as N_INTERVIEWS, RawCounts as RawCounts, WHICH_WORLD as WHICH_WORLD,
    load_marginals as load_marginals,
)
from ._responses import Coded as Coded, UnlistedCode as UnlistedCode, code_responses as code_responses
