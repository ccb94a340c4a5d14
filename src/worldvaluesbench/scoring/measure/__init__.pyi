from ._bootstrap import Design as Design, Drawing as Drawing, draw_people as draw_people
from ._cells import (
    Beside as Beside, LEVEL as LEVEL, Part as Part, Source as Source, baseline_distances as baseline_distances,
    cell_keys as cell_keys, count_columns as count_columns, find_rows as find_rows, missing_bounds as missing_bounds,
    no_persons as no_persons, number_columns as number_columns, other_distances as other_distances,
    score_groups as score_groups,
)
from ._intervals import (
    each_batch as each_batch, filled as filled, resampled_distances as resampled_distances, variance_of as variance_of,
)
from ._nonresponse import (
    HUMAN_SHARES as HUMAN_SHARES, NONRESPONSE as NONRESPONSE, Nonresponse as Nonresponse,
    SOURCE_SHARES as SOURCE_SHARES,
)
from ._pairing import (
    Entries as Entries, NOBODY as NOBODY, Panel as Panel, build_panel as build_panel, cells_of as cells_of,
    common_panels as common_panels, count_cells as count_cells, count_entries as count_entries,
    entries_of as entries_of, weigh_entries as weigh_entries,
)
from ._repeats import Askings as Askings, find_askings as find_askings, is_first as is_first
from ._shares import distributions_of as distributions_of
from ._sides import answers_side as answers_side, side_of as side_of
from ._summary import attain as attain, summarise as summarise
from ._tally import (
    Counts as Counts, Tally as Tally, answer_distances as answer_distances, floors_of as floors_of,
    tally_panel as tally_panel,
)
from ._without_level import (
    GROUPINGS as GROUPINGS, GROUPINGS_SCHEMA as GROUPINGS_SCHEMA, describe_groupings as describe_groupings,
    protect_groupings as protect_groupings, without_level_sentences as without_level_sentences,
)
