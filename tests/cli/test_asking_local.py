"""`wvb ask --local`: what is told of a model's chat template, and that a bad one leaves nothing behind."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="local models need torch; pip install worldvaluesbench[local]")
pytest.importorskip("transformers", reason="local models need transformers; pip install worldvaluesbench[local]")

from tests.cli.test_commands import Capture, refusal, run
from tests.elicitation.local_models import CHAT_TEMPLATE, save
from tests.elicitation.runs import small_plan
from worldvaluesbench.asking._run import load_run
from worldvaluesbench.benchmark._dataset import Dataset

THINKING = CHAT_TEMPLATE + "{% if enable_thinking is defined %}<|im_end|>{% endif %}"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A tiny model that takes long prompts."""
    folder = save(tmp_path / "model", is_chat=True)
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"max_position_embeddings": 512', '"max_position_embeddings": 4096'))
    return folder


def command(dataset: Dataset, model: Path, template: str, *given: str) -> tuple[object, ...]:
    """The command that asks a model with this chat template two examples."""
    folder = model.parent
    small_plan(dataset, folder, 1)
    (model / "chat_template.jinja").write_text(template)
    asked = ("--examples", folder / "examples.csv", "--method", "option_likelihood", "--out", folder / "run")
    return "ask", dataset.folder, *asked, "--model", model, "--local", *given


def test_a_variable_that_a_template_does_not_mention_is_told(
    capsys: Capture, tmp_path: Path, paper: Dataset, model: Path
) -> None:
    kwargs = ("--chat-template-kwargs", '{"enable_thinking": false, "thinking": false}')
    assert run(*command(paper, model, THINKING, *kwargs)) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Note: model: its chat template does not mention thinking, which changes nothing." in told
    assert "mention enable_thinking" not in told
    asked = load_run(tmp_path / "run").model
    assert asked["chat_template_kwargs"] == {"enable_thinking": False, "thinking": False}
    other = refusal(capsys, *command(paper, model, THINKING))
    assert "model.chat_template_kwargs: {'enable_thinking': False, 'thinking': False} before, None now" in other


def test_a_template_that_raises_leaves_no_run_and_plain_prompts_go(
    capsys: Capture, tmp_path: Path, paper: Dataset, model: Path
) -> None:
    capsys.readouterr()
    raising = "{{ raise_exception('only assistants here') }}"
    assert "(only assistants here); give --prompt plain" in refusal(capsys, *command(paper, model, raising))
    assert not (tmp_path / "run").exists()
    assert run(*command(paper, model, raising, "--prompt-format", "plain")) == 0
    assert load_run(tmp_path / "run").model["prompt"] == "plain"
