"""Prompts: the paper's word for word, templates of one's own, presets, and what is refused."""

import hashlib
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import get_args

import pytest

from worldvaluesbench.errors import PromptError
from worldvaluesbench.prompts._options import choices_of, shown_options
from worldvaluesbench.prompts._persona import DEFAULT_ATTRIBUTES, Persona, persona_of
from worldvaluesbench.prompts._settings import METHOD_TEMPLATES
from worldvaluesbench.prompts._template import (
    METHODS,
    Preset,
    Questions,
    load_preset,
    load_presets,
    load_template,
    parse_template,
    read_template,
    render_prompt,
    template_names,
)
from worldvaluesbench.survey._codebook import Item, load_codebook

ROOT = Path(__file__).parents[2]
PAPER = ROOT.parent / "shared" / "paper" / "worldvaluesbench-2024.txt"
CODEBOOK = load_codebook()
IN_FIGURES = {"B_COUNTRY": 156, "H_URBRURAL": 1, "Q275": 3}
PRESET_OF_FIGURE = {
    5: "alpaca-7b",
    6: "vicuna-7b-v1.5",
    7: "mixtral-8x7b-instruct",
    8: "gpt-3.5-turbo",
    9: "alpaca-7b-no-demographics",
    10: "gpt-3.5-turbo-no-demographics",
}


def paper_item(figure: int) -> Item:
    """The item of a figure in the paper's own wording: family in Figure 6, leisure time in the others."""
    what, item_id = ("family", "Q1") if figure == 6 else ("leisure time", "Q3")
    question = (
        "On a scale of 1 to 4, 1 meaning 'Very important' and 4 meaning 'Not at all important', "
        f"how important is {what} in your life?"
    )
    return replace(CODEBOOK.item(item_id), question=question)


def prompt_of(preset: Preset, item: Item, codes: dict[str, int] = IN_FIGURES) -> str:
    shown = codes if preset.uses_persona else {}
    persona = persona_of(shown, CODEBOOK, preset.attribute_questions)
    return render_prompt(load_template(preset.template), persona, item)


def prompt_in_figure(figure: int) -> str:
    """What stands above a figure's caption, without the text's own fences and without any whitespace."""
    before = PAPER.read_text(encoding="utf-8").split(f"\nFigure {figure}: The prompt for ")[0]
    start = "What would Person X" if figure >= 9 else "Person X provided"
    shown = before[before.rindex(start) :]
    return "".join(shown.replace("```", "").split())


@pytest.mark.skipif(not PAPER.exists(), reason="needs ../shared/paper")
@pytest.mark.parametrize("figure", PRESET_OF_FIGURE)
def test_the_papers_presets_say_what_its_figures_show(figure: int) -> None:
    prompt = prompt_of(load_preset(PRESET_OF_FIGURE[figure]), paper_item(figure))
    assert "".join(prompt.split()) == prompt_in_figure(figure)


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        (5, "899bb29d77d4917c"),
        (6, "d75c3a5b41e41837"),
        (7, "5779bf3ab1afa15d"),
        (8, "4e1a5b69b5e00fd4"),
        (9, "b46bb7176a6ff64e"),
        (10, "31a9d777915b2115"),
    ],
)
def test_the_papers_prompts_never_change(figure: int, expected: str) -> None:
    prompt = prompt_of(load_preset(PRESET_OF_FIGURE[figure]), paper_item(figure))
    assert hashlib.sha256(prompt.encode()).hexdigest()[:16] == expected


def test_the_prompt_of_figure_8_in_full() -> None:
    assert prompt_of(load_preset("gpt-3.5-turbo"), paper_item(8)) == (
        "Person X provided the following demographic information in an interview:\n"
        "1. Question: In what country was the interview conducted?\n"
        "   Answer: China\n"
        "2. Question: What is the type of settlement in which the interview was conducted? Urban or Rural?\n"
        "   Answer: Urban\n"
        "3. Question: What is the highest educational level that you have attained?\n"
        "   Answer: Upper secondary education (ISCED 3)\n"
        "\n"
        "What would Person X answer to the following question and why?\n"
        "Question: On a scale of 1 to 4, 1 meaning 'Very important' and 4 meaning 'Not at all important', "
        "how important is leisure time in your life?\n"
        "\n"
        "Your output should be in the following format:\n"
        "{\n"
        '  "thoughtful explanation": "... upto 30 words (keep their demographics in mind) ...",\n'
        '  "answer as a score": "... score ..."\n'
        "}"
    )


def test_the_papers_presets_follow_its_appendix() -> None:
    for name, preset in load_presets().items():
        if name.startswith("default"):
            continue
        assert (preset.stop, preset.questions) == (("\n\n",), "paper")
        is_bare = name.endswith("-no-demographics")
        expected = ("sampled", 0.7, 230, False) if is_bare else ("greedy", 0.0, 1, True)
        assert (preset.method, preset.temperature, preset.n, preset.uses_persona) == expected
    figures = {name: preset.template for name, preset in load_presets().items()}
    for figure, name in PRESET_OF_FIGURE.items():
        assert figures[name] == f"paper-figure-{figure}"
    for name in ("vicuna-7b-v1.5", "mixtral-8x7b-instruct"):
        assert figures[f"{name}-no-demographics"] == "paper-figure-9"
    assert len(figures) == 10


@pytest.mark.parametrize("name", load_presets())
def test_every_preset_asks_every_item(name: str) -> None:
    preset = load_preset(name)
    for item in CODEBOOK.items:
        prompt = prompt_of(preset, item)
        assert item.question in prompt
        assert ("China" in prompt) == preset.uses_persona
        # "4" and " 4" are different tokens: an answer starts where the prompt ends
        assert prompt == prompt.strip()
        assert "\n\n\n" not in prompt


def test_packaged_templates_end_without_a_line_end() -> None:
    for name in template_names():
        path = files("worldvaluesbench") / "data" / "prompts" / f"{name}.jinja"
        text = path.read_text(encoding="utf-8")
        assert text == text.rstrip()
        assert text.splitlines()[0] == f"{{# name: {name} #}}"


def test_every_packaged_template_is_used_by_a_preset_or_a_method() -> None:
    used = {preset.template for preset in load_presets().values()} | set(METHOD_TEMPLATES.values())
    assert used == set(template_names())


def test_a_missing_attribute_is_left_out_and_the_rest_numbered_anew() -> None:
    prompt = prompt_of(load_preset("alpaca-7b"), paper_item(5), {"B_COUNTRY": 156, "H_URBRURAL": -2, "Q275": 3})
    facts = prompt.split("\n\n")[0].splitlines()
    assert [line.strip() for line in facts[1:]] == [
        "1. Question: In what country was the interview conducted?",
        "Answer: China",
        "2. Question: What is the highest educational level that you have attained?",
        "Answer: Upper secondary education (ISCED 3)",
    ]
    assert "N/A" not in prompt


@pytest.mark.parametrize("name", ["alpaca-7b", "default"])
def test_a_person_of_whom_nothing_is_known_has_no_empty_list(name: str) -> None:
    prompt = prompt_of(load_preset(name), paper_item(5), dict.fromkeys(DEFAULT_ATTRIBUTES, -1))
    assert "provided the following" not in prompt
    assert "These facts" not in prompt
    assert prompt.startswith(("What would Person X", "A person took part in a survey. Nothing else"))


def test_the_papers_wordings_are_for_its_presets_and_its_three_attributes() -> None:
    codes = {"Q275": 3, "Q260": 2}
    of_paper = prompt_of(load_preset("alpaca-7b"), paper_item(5), codes)
    assert "highest educational level that you have attained?" in of_paper
    assert CODEBOOK.attribute("Q260").question in of_paper
    assert CODEBOOK.attribute("Q275").question in prompt_of(load_preset("default"), paper_item(5), codes)


def test_the_default_prompt_shows_every_scale_point_with_its_label() -> None:
    item = CODEBOOK.item("Q106")
    lines = prompt_of(load_preset("default"), item).splitlines()
    assert f"1 = {item.labels[0]}" in lines
    assert [line for line in lines if line.isdigit()] == [str(rating) for rating in range(2, 10)]
    assert f"10 = {item.labels[9]}" in lines
    # 2 and 3 of the survey file change places in this item, and so do their labels
    assert shown_options(choices_of(CODEBOOK.item("Q56")))[1:] == [("2", "About the same"), ("3", "Worse off")]


def test_options_may_be_shown_in_another_order_and_by_other_symbols() -> None:
    options = [("B", "Rural"), ("A", "Urban")]
    prompt = render_prompt(load_template("default"), Persona(), CODEBOOK.item("Q111"), options=options)
    assert "\nB = Rural\nA = Urban\n" in prompt
    assert "one of B, A.\n" in prompt


def test_style_prose_puts_the_person_into_sentences() -> None:
    persona = persona_of(IN_FIGURES, CODEBOOK)
    prompt = render_prompt(load_template("default"), persona, CODEBOOK.item("Q1"), style="prose")
    assert "\nCountry: China. Urban or rural: Urban. Education: Upper secondary education (ISCED 3).\n" in prompt


def test_a_template_of_ones_own_is_read_and_its_front_line_is_not_sent(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_bytes(b"\xef\xbb\xbf{# name: mine #}\r\n{% for fact in facts %}\r\n{{ fact.name }}={{ fact.label }};\r\n"
                     b"{% endfor %}\r\n{{ question }} ({{ low }}-{{ high }})\r\n")  # fmt: skip
    template = read_template(path)
    assert template.name == "mine"
    assert template.uses_persona
    item = replace(CODEBOOK.item("Q1"), question="Is {{ low }} < 4 & 'fine'?")
    prompt = render_prompt(template, persona_of({"Q260": 2, "Q262": 40}, CODEBOOK), item)
    assert prompt == "Sex=Female;\nAge=40;\nIs {{ low }} < 4 & 'fine'? (1-4)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ question }}", "mine.txt line 1: '{{ question }}' names no template; expected {# name: mine #}."),
        ("", "mine.txt line 1: '' names no template"),
        ("{# name: mine #}", "mine.txt: its prompt is empty"),
        ("{# name: m #}\n{{ question }} {{ country }}", "mine.txt: there is no 'country'; a template may use persona"),
        ("{# name: m #}\n{{ facts[0].country }}", "two facts ('worldvaluesbench.prompts._persona.Fact object' has"),
        ("{# name: m #}\n{{ facts[0].label }}", "mine.txt: fails when rendered for a person without facts ("),
        ("{# name: m #}\nline 2\n{{ question", "mine.txt line 3: is no template (unexpected end of template"),
        ("{# name: m #}\n{{ question | shout }}", "mine.txt line 2: is no template (No filter named 'shout'."),
        ("{# name: m #}\n{{ 1 / 0 }}", "(division by zero)"),
        ("{# name: m #}\n{% include 'other' %}", "fails when rendered"),
        (
            "{# name: m #}\n{{ question.__class__.__mro__ }}",
            "access to attribute '__class__' of 'str' object is unsafe",
        ),
        ("{# name: m #}\n{{ range(10 ** 9) | list }}", "Range too big"),
        ("{# name: m #}\n" + "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "is nested too deeply"),
    ],
)
def test_a_template_that_cannot_be_one_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.txt").write_text(text)
    with pytest.raises(PromptError) as refused:
        read_template(tmp_path / "mine.txt")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="there is no such file; expected a template"):
        read_template(tmp_path / "none.txt")
    with pytest.raises(PromptError, match="cannot be read as text"):
        read_template(tmp_path)
    (tmp_path / "bad.txt").write_bytes(b"{# name: m #}\n\xff\xfe")
    with pytest.raises(PromptError, match=r"bad.txt: cannot be read as text \(no UTF-8\)"):
        read_template(tmp_path / "bad.txt")


def test_a_template_that_fails_for_a_person_says_nothing_of_the_person() -> None:
    text = "{# name: sly #}\n{{ {'Red': 1}[facts[0].label] if facts else question }}"
    template = parse_template(text, "sly.txt")
    with pytest.raises(PromptError, match=r"sly: the template fails for Q1 \(UndefinedError\)") as refused:
        render_prompt(template, persona_of(IN_FIGURES, CODEBOOK), CODEBOOK.item("Q1"))
    assert "China" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_unknown_templates_and_presets_name_those_there_are() -> None:
    with pytest.raises(PromptError, match="There is no template 'x'; there are default, paper-figure-10"):
        load_template("x")
    with pytest.raises(PromptError, match="There is no preset 'gpt-4'; there are default, default-no-demographics, "):
        load_preset("gpt-4")


def test_presets_and_templates_of_the_package_fit_together() -> None:
    for name, preset in load_presets().items():
        assert preset.method in METHODS
        assert preset.questions in get_args(Questions)
        assert load_template(preset.template).uses_persona or not preset.uses_persona
        assert preset.name == name
    assert all(load_template(name).name == name for name in template_names())


def test_the_documented_table_is_the_presets() -> None:
    text = (ROOT / "docs" / "prompts.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|(.*)\|$", text, flags=re.MULTILINE)
    documented = {name: (template, *(cell.strip() for cell in rest.split("|"))) for name, template, rest in rows}
    shown = {
        name: (
            preset.template,
            "yes" if preset.uses_persona else "no",
            preset.questions,
            preset.method,
            f"{preset.temperature:g}",
            str(preset.n),
            "empty line" if preset.stop == ("\n\n",) else "none",
            str(preset.max_tokens),
        )
        for name, preset in load_presets().items()
    }
    assert documented == shown
    assert all(f"`{name}`" in text for name in (*(preset.template for preset in load_presets().values()), *METHODS[:2]))


def test_the_documented_template_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "prompts.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```jinja\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "mine.jinja").write_text(shown)
    template = read_template(tmp_path / "mine.jinja")
    prompt = render_prompt(template, Persona(), CODEBOOK.item("Q1"))
    assert CODEBOOK.item("Q1").question in prompt
    assert {"persona", "question", "options"} <= template.variables
