"""Stand-in models: they read the question from the prompt alone, and answer for the same person alike."""

import itertools
import math

import numpy as np
import pytest

from tests.elicitation.mock_prompts import SOMEBODY, choices, prompt_of
from worldvaluesbench.models.mock._opinion import opinion_of
from worldvaluesbench.models.mock._question import Case, parse_case
from worldvaluesbench.prompts._options import LABELS, Labels, option_orders
from worldvaluesbench.prompts._template import template_names
from worldvaluesbench.stats._distribution import wasserstein
from worldvaluesbench.survey._codebook import load_codebook
from worldvaluesbench.survey._marginals import load_marginals

CODEBOOK = load_codebook()
PAPER = [name for name in template_names() if name.startswith("paper")]
EVERY_SHAPE = ["Q1", "Q7", "Q46", "Q48", "Q56", "Q106", "Q119", "Q216"]


def case_of(prompt: str) -> Case:
    case = parse_case(prompt)
    assert case is not None
    return case


def shares(model: str, item_id: str, codes: dict[str, int] | None, order: int = 0) -> dict[int, float]:
    """What a stand-in thinks, by rating."""
    case = case_of(prompt_of(item_id, codes=codes, order=order))
    return dict(zip(case.question.ratings, opinion_of(model, case, 0).probabilities, strict=True))


@pytest.mark.parametrize("labels", LABELS)
def test_every_items_options_are_read_as_they_are_shown(labels: Labels) -> None:
    for item, order in itertools.product(CODEBOOK.items, (0, 1, 3)):
        if order >= len(option_orders(item.scale.n_points, 4)):
            continue
        question = case_of(prompt_of(item.item_id, labels=labels, order=order)).question
        shown = choices(item.item_id, labels, order)
        assert question.item == item
        assert question.symbols == tuple(choice.symbol for choice in shown)
        assert question.ratings == tuple(choice.rating for choice in shown)
        assert question.form == "object"


@pytest.mark.parametrize(("template", "form"), [("symbol", "symbol"), ("shares", "shares")])
@pytest.mark.parametrize("labels", LABELS)
def test_the_form_of_the_answer_is_read_too(template: str, form: str, labels: Labels) -> None:
    for item_id in EVERY_SHAPE:
        question = case_of(prompt_of(item_id, template, labels=labels, order=1)).question
        assert question.form == form
        assert question.ratings == tuple(choice.rating for choice in choices(item_id, labels, 1))


@pytest.mark.parametrize("template", PAPER)
def test_the_papers_prompts_are_read(template: str) -> None:
    for item_id in EVERY_SHAPE:
        case = case_of(prompt_of(item_id, template))
        question = case.question
        assert question.item is not None
        assert question.item.item_id == item_id
        assert question.ratings == tuple(question.item.scale.ratings)
        assert [(key.name, key.is_answer) for key in question.keys] == [
            ("thoughtful explanation", False),
            ("answer as a score", True),
        ]
        assert len(case.facts) == (0 if template in ("paper-figure-9", "paper-figure-10") else 3)


def test_a_question_of_ones_own_is_answered_on_the_scale_that_it_names() -> None:
    case = case_of("How happy are you, on a scale of 0 to 6?\nAnswer:")
    assert case.question.item is None
    assert case.question.ratings == tuple(range(7))
    assert opinion_of("mock-good", case, 0).probabilities == pytest.approx([1 / 7] * 7)


def test_options_of_a_question_of_ones_own_are_read_from_their_lines() -> None:
    question = case_of("Tea or coffee?\nA = Tea\nB = Coffee\nReply with A or B. Answer:").question
    assert (question.symbols, question.ratings, question.form) == (("A", "B"), (1, 2), "symbol")


def test_what_is_no_question_has_no_options() -> None:
    assert parse_case("Good morning!") is None


def test_a_person_is_the_same_person_in_prose_and_in_a_list() -> None:
    prompts = [prompt_of("Q48", style=style) for style in ("list", "prose")]
    one, other = (opinion_of("mock-good", case_of(prompt), 0) for prompt in prompts)
    assert one.probabilities == pytest.approx(other.probabilities)


def test_the_order_of_facts_and_options_changes_nothing_for_the_good_one() -> None:
    turned = dict(reversed(list(SOMEBODY.items())))
    assert shares("mock-good", "Q48", turned, order=1) == pytest.approx(shares("mock-good", "Q48", dict(SOMEBODY)))


def test_people_differ() -> None:
    countries = [country.code for country in CODEBOOK.countries][:20]
    means = [
        sum(rating * share for rating, share in shares("mock-good", "Q48", {"B_COUNTRY": code}).items())
        for code in countries
    ]
    assert max(means) - min(means) > 1


def test_where_nobody_is_shown_the_good_one_knows_the_world() -> None:
    marginals = load_marginals()
    distances: dict[str, list[float]] = {"mock-good": [], "mock-poor": [], "mock-first": []}
    for item_id, (model, found) in itertools.product(marginals.item_ids, distances.items()):
        counts = marginals.counts(item_id)
        answered = np.array([share for _, share in sorted(shares(model, item_id, None).items())])
        found.append(float(wasserstein(counts / counts.sum(), answered)))
    means = {model: sum(found) / len(found) for model, found in distances.items()}
    assert max(distances["mock-good"]) < 0.02
    assert means["mock-good"] < means["mock-first"] < means["mock-poor"]


def test_the_first_one_prefers_what_is_listed_first() -> None:
    as_is, reversed_ = (shares("mock-first", "Q48", None, order=order) for order in (0, 1))
    assert as_is[1] > 2 * reversed_[1]
    assert reversed_[10] > 2 * as_is[10]


def test_opinions_depend_on_the_seed() -> None:
    case = case_of(prompt_of("Q48"))
    one, other = (opinion_of("mock-good", case, seed).probabilities for seed in (0, 1))
    assert max(abs(a - b) for a, b in zip(one, other, strict=True)) > 0.01


def test_temperature_sharpens_what_is_drawn() -> None:
    opinion = opinion_of("mock-good", case_of(prompt_of("Q48", codes=None)), 0)
    mode = max(range(10), key=opinion.probabilities.__getitem__)
    uniforms = [(place + 0.5) / 4000 for place in range(4000)]

    def share_of_mode(temperature: float) -> float:
        return sum(opinion.draw(temperature, uniform) == mode for uniform in uniforms) / len(uniforms)

    assert share_of_mode(1.0) == pytest.approx(opinion.probabilities[mode], abs=0.001)
    assert share_of_mode(0.7) == share_of_mode(1.0)
    squared = [probability**2 for probability in opinion.probabilities]
    assert share_of_mode(0.25) == pytest.approx(squared[mode] / math.fsum(squared), abs=0.001)
    assert share_of_mode(0.0001) == share_of_mode(0.0) == 1
