"""The design of a plan: how many items, respondents and samples it asks for, as a power analysis needs them."""

import numpy as np

from worldvaluesbench.planning import Plan
from worldvaluesbench.prompts import TEXT_METHODS
from worldvaluesbench.stats import Design


def design_of(plan: Plan) -> Design:
    """The design of a plan, respondents and overlap of its items being means over items and pairs of items.

    Respondents are counted by their harmonic mean, since variances fall as 1 / n. A completion that several respondents
    share is counted once for all of them, so that there may be less than one sample for each; a method that states
    probabilities, or one greedy answer for all, has no sampling noise: infinitely many.
    """
    examples = plan.examples
    rows = [examples.rows_of(item_id) for item_id in examples.item_ids]
    each = np.array([1 / row.size for row in rows])
    n_items = len(rows)
    n = float(n_items / each.sum())
    weight = np.zeros(1 + max(int(row.max()) for row in rows))
    for row, part in zip(rows, each.tolist(), strict=True):
        weight[row] += part
    # the mean over pairs of items of their common respondents, divided by the respondents of either: the sum over all
    # pairs, less what each item has with itself
    shared = float((weight @ weight - each.sum()) / (n_items * (n_items - 1))) if n_items > 1 else 0.0
    topics = {examples.dataset.codebook.item(item_id).topic for item_id in examples.item_ids}
    return Design(
        n_items=n_items, n_respondents=n, n_samples=_n_samples(plan), n_topics=len(topics), overlap=shared * n
    )


def _n_samples(plan: Plan) -> float:
    settings = plan.settings
    if settings.method not in TEXT_METHODS or settings.method == "verbalised":
        return float("inf")
    if settings.method == "greedy":
        # greedy answers differ between respondents by their personas alone
        return 1 if settings.uses_persona else float("inf")
    return plan.n_completions / plan.n_examples
