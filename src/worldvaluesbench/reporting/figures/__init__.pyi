from ._attainment import plot_attainment as plot_attainment
from ._data import NothingToDraw as NothingToDraw, OVERALL as OVERALL, counted as counted, item_labels as item_labels
from ._demographics import plot_demographics as plot_demographics
from ._disparity import plot_disparity as plot_disparity
from ._distributions import plot_distributions as plot_distributions
from ._diversity import plot_collapse as plot_collapse
from ._figure_set import (
    KIND as KIND, MAX_FIGURE_GROUPS as MAX_FIGURE_GROUPS, file_name as file_name, free_name as free_name,
    groups_with_numbers as groups_with_numbers, telling_items as telling_items, write_figures as write_figures,
)
from ._forest import plot_forest as plot_forest
from ._heatmap import plot_groups as plot_groups, plot_heatmap as plot_heatmap
from ._save import (
    FORMATS as FORMATS, change_tags as change_tags, render_figure as render_figure, renumber as renumber,
    save_figure as save_figure, words_of as words_of,
)
from ._theme import (
    Chart as Chart, GRID as GRID, INK as INK, MUTED as MUTED, NAMES as NAMES, humans_note as humans_note,
    interval_note as interval_note, look_of as look_of,
)
from ._world import plot_map as plot_map
