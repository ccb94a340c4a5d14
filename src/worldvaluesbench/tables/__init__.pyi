from ._latex import (
    floored as floored, p_text as p_text, render_leaderboard as render_leaderboard, render_summary as render_summary,
    render_table_2 as render_table_2, render_tabular as render_tabular,
)
from ._words import has_poll as has_poll, poll_text as poll_text, rank_text as rank_text
