"""A plan: every distinct prompt once, every example joined to its own, counted here by rendering each example."""

from collections import defaultdict
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from worldvaluesbench.benchmark._build import build_dataset
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.benchmark._probe import build_probe
from worldvaluesbench.errors import FolderError, PromptError
from worldvaluesbench.planning._costs import estimate_costs
from worldvaluesbench.planning._examples import ExampleSet, probe_examples, read_examples, split_examples
from worldvaluesbench.planning._plan import build_plan, read_requests, write_plan
from worldvaluesbench.prompts._options import choices_of, shown_options
from worldvaluesbench.prompts._persona import Persona, persona_of
from worldvaluesbench.prompts._request import request_id_of
from worldvaluesbench.prompts._settings import Settings, make_settings
from worldvaluesbench.prompts._template import parse_template, render_prompt
from worldvaluesbench.survey.synthetic._synthetic import write_synthetic

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "published" / "samples.tsv"

Key = tuple[str, int, int]

SIX = ("Q1", "Q48", "Q106", "Q119", "Q164", "Q240")
FEW = [
    {},
    {"preset": "gpt-3.5-turbo"},
    {"preset": "alpaca-7b-no-demographics"},
    {"attributes": ()},
    {"attributes": ("Q262", "continent", "Q289"), "style": "prose"},
    {"method": "token_probs", "orders": 4, "labels": "letters"},
    {"method": "verbalised", "orders": 3},
    {"method": "sampled", "n": 3, "orders": 2, "attributes": (), "is_structured": True},
    {"method": "sampled", "n": 3, "is_structured": True},
]


def prompts_by_example(examples: ExampleSet, settings: Settings) -> dict[Key, str]:
    """The prompt of every example in every order, example by example."""
    dataset, codebook = examples.dataset, examples.dataset.codebook
    people = dataset.respondents(["respondent_id", *settings.attributes]).rows(named=True)

    @cache
    def rendered(item_id: str, persona: Persona, order: int) -> str:
        item = codebook.item(item_id)
        options = shown_options(choices_of(item, settings.labels, order))
        return render_prompt(settings.template, persona, item, style=settings.style, options=options)

    prompts = {}
    for item_id in examples.item_ids:
        for row in examples.rows_of(item_id).tolist():
            codes = {name: people[row][name] for name in settings.attributes}
            persona = persona_of(codes, codebook, settings.attribute_questions) if settings.attributes else Persona()
            for order in range(settings.n_orders_of(codebook.item(item_id).scale.n_points)):
                prompts[item_id, people[row]["respondent_id"], order] = rendered(item_id, persona, order)
    return prompts


@pytest.mark.parametrize("given", FEW, ids=str)
def test_every_distinct_prompt_is_asked_once(paper: Dataset, given: dict[str, Any]) -> None:
    settings = make_settings(**given)
    examples = split_examples(paper, "test", SIX[::2])
    plan = build_plan(examples, settings)
    requests = list(plan.requests())
    wanted = prompts_by_example(examples, settings)
    assert sorted(request.prompt for request in requests) == sorted(set(wanted.values()))
    assert len({request.request_id for request in requests}) == len(requests) == plan.n_requests
    assert plan.n_completions == sum(request.n for request in requests)
    assert plan.n_examples == len({key[:2] for key in wanted})
    for request in requests:
        assert request.request_id == request_id_of(request.prompt, settings.asked)
        choices = choices_of(paper.codebook.item(request.item_id), settings.labels, request.order)
        assert request.options == tuple(choice.symbol for choice in choices)
        assert request.sampling == settings.sampling
        assert (request.schema is not None) == settings.is_structured


@pytest.mark.parametrize("given", FEW, ids=str)
def test_every_example_is_joined_to_the_request_that_asks_it(
    paper: Dataset, tmp_path: Path, given: dict[str, Any]
) -> None:
    settings = make_settings(**given)
    examples = split_examples(paper, "test", SIX[::2])
    plan = build_plan(examples, settings)
    write_plan(plan, tmp_path)
    table = pl.read_parquet(tmp_path / "examples.parquet")
    asked = pl.read_parquet(tmp_path / "requests.parquet")["prompt"].to_list()
    keys = table.select(pl.col("item_id").cast(pl.String), "respondent_id", "order").rows()
    found = dict(zip(keys, [asked[row] for row in table["request"].to_list()], strict=True))
    assert len(found) == table.height
    assert found == prompts_by_example(examples, settings)


def test_the_requests_on_disk_are_those_of_the_plan_in_its_order(paper: Dataset, tmp_path: Path) -> None:
    settings = make_settings(method="sampled", n=2, is_structured=True, orders=2)
    plan = build_plan(split_examples(paper, "test", SIX), settings)
    write_plan(plan, tmp_path)
    assert list(read_requests(tmp_path, settings, paper.codebook)) == list(plan.requests())
    written = pl.read_parquet(tmp_path / "requests.parquet")
    assert dict(written.schema) == {
        "request_id": pl.String,
        "item_id": pl.String,
        "order": pl.UInt8,
        "n": pl.UInt16,
        "prompt": pl.String,
    }
    examples = pl.read_parquet_schema(tmp_path / "examples.parquet")
    assert examples == {
        "item_id": pl.Enum(paper.codebook.item_ids),
        "respondent_id": pl.Int64,
        "order": pl.UInt8,
        "request": pl.UInt32,
        "sample": pl.Int16,
    }


def test_requests_of_one_persona_stand_together_and_its_items_in_questionnaire_order(paper: Dataset) -> None:
    plan = build_plan(split_examples(paper, "test", SIX), make_settings(orders=2))
    keys = [(request.prompt.split("The person was asked")[0], request) for request in plan.requests()]
    n_changes = sum(one[0] != other[0] for one, other in pairwise(keys))
    assert n_changes == len({persona for persona, _ in keys}) - 1
    by_persona = defaultdict(list)
    for persona, request in keys:
        by_persona[persona].append((SIX.index(request.item_id), request.order))
    assert all(places == sorted(places) for places in by_persona.values())


def test_where_nobody_is_shown_each_respondent_has_a_sample_of_their_own(paper: Dataset, tmp_path: Path) -> None:
    settings = make_settings("gpt-3.5-turbo-no-demographics", n=7)
    examples = split_examples(paper, "test", ("Q1", "Q48"))
    plan = build_plan(examples, settings)
    write_plan(plan, tmp_path)
    assert [request.n for request in plan.requests()] == [7, 7]
    samples = pl.read_parquet(tmp_path / "examples.parquet").partition_by("item_id", maintain_order=True)
    for part in samples:
        assert part["sample"].to_list() == [place % 7 for place in range(part.height)]


def test_no_more_samples_are_asked_for_than_there_are_respondents(paper: Dataset, tmp_path: Path) -> None:
    build_probe(paper, "paper36", tmp_path / "probe")
    examples = probe_examples(paper, tmp_path / "probe")
    plan = build_plan(examples, make_settings("gpt-3.5-turbo-no-demographics", n=10_000))
    assert {request.item_id: request.n for request in plan.requests()} == dict(examples.counts)
    assert plan.n_completions == examples.n


def test_a_request_that_shows_a_persona_gives_all_its_samples_to_every_example(paper: Dataset, tmp_path: Path) -> None:
    plan = build_plan(split_examples(paper, "test", ("Q1",)), make_settings(method="sampled", n=5))
    write_plan(plan, tmp_path)
    assert {request.n for request in plan.requests()} == {5}
    assert pl.read_parquet(tmp_path / "examples.parquet")["sample"].null_count() == plan.n_examples


def test_a_plan_says_which_items_have_fewer_option_orders_than_wanted(paper: Dataset) -> None:
    four, ten = split_examples(paper, "test", ("Q1", "Q2")), split_examples(paper, "test", ("Q1", "Q48", "Q149"))
    assert build_plan(four, make_settings(orders=8)).note is None
    assert build_plan(ten, make_settings(orders=2)).note is None
    plan = build_plan(four, make_settings(orders=9))
    assert plan.n_orders.tolist() == [8, 8]
    assert plan.note == (
        "orders is 9, but 2 of 2 items are asked in 8: their scales have no more balanced orders (Q1, Q2)."
    )
    assert estimate_costs(plan).note == plan.note
    assert build_plan(ten, make_settings(orders=9)).note == (
        "orders is 9, but 2 of 3 items are asked in 2 or 8: their scales have no more balanced orders (Q1, Q149)."
    )


def template(body: str) -> Any:
    return parse_template(f"{{# name: mine #}}\n{body}", "mine.jinja")


def test_people_whom_a_template_shows_alike_share_their_requests(paper: Dataset, tmp_path: Path) -> None:
    first_only = "{{ facts[0].label if facts }}: {{ question }} {{ options | join(',') }}"
    settings = make_settings(template=template(first_only), attributes=("H_URBRURAL", "Q275", "Q262"))
    examples = split_examples(paper, "test", SIX)
    plan = build_plan(examples, settings)
    write_plan(plan, tmp_path)
    wanted = prompts_by_example(examples, settings)
    assert plan.n_requests == len(set(wanted.values())) < len(build_plan(examples, make_settings()).personas)
    table = pl.read_parquet(tmp_path / "examples.parquet")
    asked = [request.prompt for request in plan.requests()]
    keys = table.select(pl.col("item_id").cast(pl.String), "respondent_id", "order").rows()
    assert {key: asked[row] for key, row in zip(keys, table["request"].to_list(), strict=True)} == wanted


@pytest.mark.parametrize(
    ("body", "given", "message"),
    [
        ("{{ persona }} How do you feel?", {}, "asks Q1 and Q48 in the same words"),
        (
            "{{ persona }} {{ question }} {{ options | length }}",
            {"orders": 2},
            "shows the options of Q1 the same in orders 0 and 1",
        ),
    ],
)
def test_a_template_that_asks_alike_what_is_answered_differently_is_refused(
    paper: Dataset, body: str, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(PromptError, match=message):
        build_plan(split_examples(paper, "test", ("Q1", "Q48")), make_settings(template=template(body), **given))


def test_items_that_are_asked_in_the_same_words_share_their_requests(paper: Dataset, tmp_path: Path) -> None:
    settings = make_settings(template=template("{{ persona }} Yes or no? {{ low }}-{{ high }}"))
    examples = split_examples(paper, "test", ("Q1", "Q2", "Q48"))
    plan = build_plan(examples, settings)
    write_plan(plan, tmp_path)
    wanted = prompts_by_example(examples, settings)
    assert {request.item_id for request in plan.requests()} == {"Q1", "Q48"}
    assert plan.n_requests == len(set(wanted.values()))
    table = pl.read_parquet(tmp_path / "examples.parquet")
    asked = [request.prompt for request in plan.requests()]
    found = zip(
        table.select(pl.col("item_id").cast(pl.String), "respondent_id", "order").rows(), table["request"], strict=True
    )
    assert {key: asked[row] for key, row in found} == wanted


def test_a_template_that_shows_a_person_for_some_items_only_is_refused(paper: Dataset, tmp_path: Path) -> None:
    body = "{% if high < 5 %}{{ persona }}{% endif %}{{ question }}"
    examples = split_examples(paper, "test", ("Q240", "Q1"))
    plan = build_plan(examples, make_settings(template=template(body)))
    with pytest.raises(PromptError, match="renders different personas the same for some items only"):
        write_plan(plan, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_template_that_fails_for_someone_leaves_one_line_and_no_file(paper: Dataset, tmp_path: Path) -> None:
    fails = "{% if high == 10 and facts | length == 2 and facts[0].name == 'Country' %}{{ 1 // 0 }}{% endif %}"
    settings = make_settings(template=template(fails + "{{ persona }}{{ question }}"))
    plan = build_plan(split_examples(paper, "test", ("Q1", "Q48")), settings)
    with pytest.raises(PromptError, match=r"mine: the template fails for Q48 \(ZeroDivisionError\)"):
        write_plan(plan, tmp_path)
    assert not list(tmp_path.iterdir())


def test_more_samples_than_can_be_numbered_are_refused(paper: Dataset) -> None:
    with pytest.raises(PromptError, match="n is 40000; expected at most 32,767"):
        build_plan(split_examples(paper, "test", ("Q1",)), make_settings("gpt-3.5-turbo-no-demographics", n=40_000))


def test_requests_that_cannot_be_read_or_written_are_one_line(paper: Dataset, tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="cannot be read"):
        next(read_requests(tmp_path, make_settings(), paper.codebook))
    (tmp_path / "run" / "requests.parquet").mkdir(parents=True)
    with pytest.raises(FolderError) as caught:
        write_plan(build_plan(split_examples(paper, "test", ("Q1",)), make_settings()), tmp_path / "run")
    assert "\n" not in str(caught.value)


def test_some_requests_are_spread_evenly_over_all(paper: Dataset) -> None:
    plan = build_plan(split_examples(paper, "test", SIX), make_settings(orders=3))
    everything = [request.request_id for request in plan.requests()]
    place = {request_id: number for number, request_id in enumerate(everything)}
    for n in (1, 2, 7, 100, len(everything) - 1, len(everything), len(everything) + 1):
        places = [place[request.request_id] for request in plan.some_requests(n)]
        assert len(places) == min(n, len(everything))
        steps = [after - before for before, after in pairwise(places)]
        assert all(step >= 1 for step in steps)
        assert not steps or max(steps) - min(steps) <= 1


LEVELS = {"Primary or No Education": 1, "Lower Secondary": 2, "Upper to Post Secondary": 4, "Tertiary": 7}
"""The levels of education that the published samples name, each with a code of Q275 that is of this level."""


@pytest.mark.skipif(not PUBLISHED.exists(), reason="needs ../shared/published")
def test_the_published_probe_is_asked_by_its_distinct_people_and_items(tmp_path: Path) -> None:
    """The published samples on an invented survey, with the people that they name: country, settlement, education."""
    samples = pd.read_csv(PUBLISHED, sep="\t")
    samples["country"] = samples["D_INTERVIEW"] // 1_000_000
    people = samples.drop_duplicates("D_INTERVIEW")
    write_synthetic(tmp_path / "survey.csv", 6_000, seed=2)
    survey = pd.read_csv(tmp_path / "survey.csv", dtype=str).head(len(people))
    survey["D_INTERVIEW"] = people["D_INTERVIEW"].astype(str).to_numpy()
    survey["B_COUNTRY"] = people["country"].astype(str).to_numpy()
    survey["H_URBRURAL"] = people["Urban / Rural"].map({"Urban": "1", "Rural": "2"}).to_numpy()
    survey["Q275"] = people["Education"].map(LEVELS).astype(str).to_numpy()
    for item_id in samples["Question"].unique():
        survey[item_id] = "1"
    survey.to_csv(tmp_path / "survey.csv", index=False)
    dataset = build_dataset(tmp_path / "survey.csv", tmp_path / "dataset")
    plan = build_plan(read_examples(dataset, PUBLISHED), make_settings("gpt-3.5-turbo"))
    assert plan.n_examples == len(samples) == 8280
    assert plan.n_requests == len(samples.drop_duplicates(["Question", "country", "Urban / Rural", "Education"]))
