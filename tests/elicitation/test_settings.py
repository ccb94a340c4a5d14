"""Settings: a preset and what is given beside it; what does not fit together is refused, what differs is named."""

import json
from typing import Any

import pytest

from worldvaluesbench.errors import PromptError
from worldvaluesbench.prompts._persona import DEFAULT_ATTRIBUTES
from worldvaluesbench.prompts._settings import METHOD_TEMPLATES, Settings, differences, make_settings
from worldvaluesbench.prompts._template import METHODS, load_presets, parse_template


@pytest.mark.parametrize("name", load_presets())
def test_a_preset_alone_is_what_its_table_says(name: str) -> None:
    preset, settings = load_presets()[name], make_settings(name)
    asked = (settings.method, settings.temperature, settings.n, settings.stop, settings.max_tokens)
    assert asked == (preset.method, preset.temperature, preset.n, preset.stop, preset.max_tokens)
    assert settings.template.name == preset.template
    assert settings.uses_persona == preset.uses_persona
    assert settings.attributes == (DEFAULT_ATTRIBUTES if preset.uses_persona else ())


@pytest.mark.parametrize("method", METHODS)
def test_a_method_brings_its_template_and_its_sampling(method: Any) -> None:
    settings = make_settings(method=method)
    assert settings.template.name == METHOD_TEMPLATES.get(method, "default")
    assert settings.temperature == (0.7 if method == "sampled" else 0.0)
    assert settings.n == 1
    assert settings.sampling.max_tokens == {"token_probs": 3, "option_likelihood": None}.get(method, 512)


def test_what_is_given_replaces_what_the_preset_says_and_zero_is_given() -> None:
    settings = make_settings(method="sampled", n=5, temperature=0.0, seed=0, labels="letters", max_tokens=None)
    assert (settings.n, settings.temperature, settings.seed, settings.max_tokens) == (5, 0.0, 0, 512)
    assert make_settings(without_temperature=True).sampling.temperature is None
    mine = parse_template("{# name: mine #}\n{{ question }} {{ options }}", "mine")
    assert make_settings("alpaca-7b", template=mine, method="token_probs").template.name == "mine"
    assert make_settings(template=mine).attributes == ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n": 2}, "greedy asks once at temperature 0, found n 2 and temperature 0.0; choose method sampled"),
        ({"temperature": 0.5}, "greedy asks once at temperature 0"),
        ({"method": "token_probs", "n": 2}, "token_probs asks each prompt once, found n 2; only sampled"),
        ({"method": "token_probs", "is_structured": True}, "reads probabilities, no text; structured output is for"),
        ({"method": "sampled", "n": 0}, "n is 0, max_tokens 512, retry_unparsed 0; expected at least 1, 1 and 0"),
        ({"max_tokens": 0}, "max_tokens 0"),
        ({"retry_unparsed": -1}, "retry_unparsed -1"),
        ({"method": "sampled", "temperature": -0.1}, "The temperature is -0.1; expected a number from 0"),
        ({"method": "sampled", "temperature": float("nan")}, "The temperature is nan; expected a number from 0"),
        ({"labels": "runes"}, "There are no labels 'runes'; there are digits, letters, words"),
        ({"orders": 0}, "orders is 0; expected 1 to 20"),
        ({"orders": 21}, "orders is 21; expected 1 to 20"),
        ({"preset": "alpaca-7b", "labels": "letters"}, "template paper-figure-5 words its scale itself"),
        ({"preset": "alpaca-7b", "orders": 2}, "cannot show other labels or orders; choose the preset default"),
        (
            {"preset": "alpaca-7b", "method": "verbalised"},
            "asks for JSON with a rating, which verbalised does not read",
        ),
        ({"preset": "gpt-5"}, "There is no preset 'gpt-5'"),
        ({"retry_unparsed": 256}, "retry_unparsed is 256; expected at most 255"),
        ({"method": "token_probs", "retry_unparsed": 1}, "reads probabilities, which would be the same again"),
        ({"method": "option_likelihood", "temperature": 0.5}, "writes no completion, so it has no temperature"),
        ({"method": "option_likelihood", "max_tokens": 9}, "writes no completion, so it has no max_tokens"),
        ({"method": "option_likelihood", "stop": ("x",)}, "writes no completion, so it has no stop"),
        ({"method": "option_likelihood", "seed": 0}, "writes no completion, so it has no seed"),
        ({"preset": "alpaca-7b-no-demographics", "attributes": ("Q260",)}, "shows no persona, so it cannot show Q260"),
        ({"temperature": 0.0, "without_temperature": True}, "The temperature is 0.0 and none is to be sent"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused_in_one_line(given: dict[str, Any], message: str) -> None:
    with pytest.raises(PromptError) as refused:
        make_settings(**given)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_description_survives_json_and_tells_settings_apart() -> None:
    one, other = make_settings(), make_settings(orders=2)
    assert json.loads(json.dumps(one.describe())) == one.describe()
    assert one.describe()["template"]["text"] == one.template.text
    assert one.fingerprint == make_settings().fingerprint != other.fingerprint
    assert set(one.describe()) == set(Settings.__dataclass_fields__)


def test_what_is_not_sent_does_not_change_the_ids_of_requests() -> None:
    # how often an unparsed sample is asked again, or how many samples there are, is no part of what is sent for one
    assert make_settings(retry_unparsed=2).asked == make_settings().asked
    assert make_settings(method="sampled", n=3).asked == make_settings(method="sampled", n=5).asked
    changed: list[dict[str, Any]] = [{"seed": 1}, {"max_tokens": 9}, {"stop": ("x",)}, {"is_structured": True}]
    assert len({make_settings().asked, *(make_settings(**given).asked for given in changed)}) == 5


def test_two_points_have_two_orders_whatever_is_asked_for() -> None:
    assert [make_settings(orders=6).n_orders_of(n_points) for n_points in (2, 3, 10)] == [2, 6, 6]


def test_differences_name_each_setting_before_and_now() -> None:
    before, now = make_settings().describe(), make_settings(orders=2, attributes=("Q260",)).describe()
    assert differences(before, now) == [
        "attributes: ['B_COUNTRY', 'H_URBRURAL', 'Q275'] before, ['Q260'] now",
        "orders: 1 before, 2 now",
    ]
    assert differences(before, before) == []
    assert differences({"a": {"b": 1}}, {"a": {"b": 1, "c": "x" * 99}}) == [f"a.c: None before, '{'x' * 59}… now"]


def test_of_nobody_in_particular_each_respondent_takes_a_sample_of_its_own() -> None:
    assert make_settings("default", method="sampled", attributes=()).n == 230
    assert make_settings("default", method="sampled").n == 1
    assert make_settings("default", method="sampled", attributes=(), n=5).n == 5
