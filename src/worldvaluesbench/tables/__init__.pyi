from ._latex import (
    KIND_TITLES as KIND_TITLES, render_leaderboard as render_leaderboard, render_summary as render_summary,
    render_table_2 as render_table_2, render_tabular as render_tabular, sources_by_kind as sources_by_kind,
)
from ._words import (
    distance_text as distance_text, floored as floored, has_poll as has_poll, p_text as p_text, poll_text as poll_text,
    rank_text as rank_text,
)
