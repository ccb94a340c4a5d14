"""Local models whose tokenizer, template or configuration is unusual: read rightly, or refused in one line."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="local models need torch; pip install worldvaluesbench[local]")
pytest.importorskip("transformers", reason="local models need transformers; pip install worldvaluesbench[local]")

import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tests.elicitation.local_models import CHAT_TEMPLATE, make_model, make_tokenizer, plain_logprobs, save
from worldvaluesbench.errors import ModelError
from worldvaluesbench.models.local._model import LocalModel, LocalOptions
from worldvaluesbench.prompts._request import Reply, Request, Sampling
from worldvaluesbench.prompts._template import Method

TEN = tuple(str(number) for number in range(1, 11))
PROMPT = "Lives in Peru.\nHow important is family?\nAnswer:"


def ask(model: LocalModel, method: Method = "greedy", options: Sequence[str] = TEN, **sampling: Any) -> Reply:
    """The reply to one prompt."""
    given = {"max_tokens": 6} | sampling if method != "option_likelihood" else {}
    (reply,) = model.replies([Request("r", "Q1", 0, PROMPT, method, tuple(options), Sampling(**given))])
    return reply


def tuned(model: LocalModel, tokens: dict[int, float]) -> None:
    """Let a model say these tokens with these logits more."""
    boost = torch.zeros(model.loaded.model.lm_head.out_features)
    for token, more in tokens.items():
        boost[token] = more
    model.loaded.model.lm_head.register_forward_hook(lambda module, given, logits: logits + boost)


def logprobs_behind(model: LocalModel, tokens: Sequence[int]) -> Any:
    return plain_logprobs(model.loaded.model, list(tokens))[-1]


def saved(folder: Path, tokenizer: Any, n_rows: int) -> LocalModel:
    make_model("llama", n_rows).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return LocalModel(str(folder))


def rewrite(path: Path, **changed: object) -> None:
    """Change keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def check_every_method(model: LocalModel, tokens: Sequence[int]) -> None:
    """Hold the likelihood of "7" by all methods beside a plain forward pass; and greedy text beside plain argmax."""
    encoder = model.encoder
    blank, bare = (encoder.tokenizer(text, add_special_tokens=False)["input_ids"] for text in (" 7", "7"))
    behind = logprobs_behind(model, tokens)
    top = ask(model, "token_probs").tokens[0].top
    assert top["7"] == pytest.approx(float(behind[bare[0]]), abs=1e-5)
    assert sum(map(math.exp, top.values())) <= 1 + 1e-6
    likelihood = ask(model, "option_likelihood").option_logprobs[6]
    assert likelihood == pytest.approx(float(behind[blank[0]]), abs=1e-5)
    written = list(tokens)
    for _ in range(6):
        written.append(int(logprobs_behind(model, written).argmax()))
    text = encoder.tokenizer.decode(written[len(tokens) :], skip_special_tokens=True)
    assert ask(model, "greedy").completions[0].text == text


@pytest.mark.parametrize("n_more", [-1, 40])
def test_a_model_may_have_fewer_or_more_rows_than_its_tokenizer_has_tokens(tmp_path: Path, n_more: int) -> None:
    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    model = saved(tmp_path, tokenizer, len(tokenizer) + n_more)
    check_every_method(model, tokenizer(PROMPT, add_special_tokens=False)["input_ids"])


def test_a_row_that_is_no_token_counts_in_every_probability_and_says_nothing(tmp_path: Path) -> None:
    tokenizer = make_tokenizer()
    model = saved(tmp_path, tokenizer, len(tokenizer) + 40)
    (seven,) = tokenizer("7", add_special_tokens=False)["input_ids"]
    tuned(model, {len(tokenizer) + 3: 60.0, seven: 55.0})
    tokens = tokenizer(PROMPT, add_special_tokens=False)["input_ids"]
    check_every_method(model, tokens)
    (choice,) = ask(model, "token_probs").tokens
    assert choice.token == "7", "of what can be said the most likely"
    assert sum(map(math.exp, choice.top.values())) < 0.1
    assert ask(model, "greedy").completions[0].text == ""


def test_a_token_that_the_model_has_no_row_for_is_refused_in_a_prompt(tmp_path: Path) -> None:
    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<turn>"]})
    tokenizer.chat_template = "<turn>{{ messages[0]['content'] }}"
    n = len(tokenizer)
    model = saved(tmp_path, tokenizer, n - 1)
    with pytest.raises(ModelError, match=rf"writes token {n - 1}, but the model has {n - 1} rows .*--prompt plain"):
        ask(model)
    assert ask(LocalModel(model.path_or_name, LocalOptions(prompt="plain"))).completions


def test_a_vocabulary_may_have_holes(tmp_path: Path) -> None:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    letters.remove("7")
    vocabulary = {letter: place for place, letter in enumerate(letters)}
    n = len(letters)
    vocabulary |= {"Ġ7": n + 4, "7": n + 5, "</s>": n + 6}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("Ġ", "7")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken("</s>", normalized=False)])
    make: Any = PreTrainedTokenizerFast
    model = saved(tmp_path, make(tokenizer_object=tokenizer, eos_token="</s>"), n + 7)
    tuned(model, {n + 5: 60.0})
    check_every_method(model, model.encoder.tokenizer(PROMPT, add_special_tokens=False)["input_ids"])
    assert ask(model).completions[0].text == "7" * 6
    tuned(model, {n + 6: 120.0})
    assert ask(model).completions[0].finish_reason == "stop", "the end of an answer lies behind the hole"


def word_pieces(*missing: str) -> Any:
    """A tokenizer as BERT's: words, and pieces that go on with a word."""
    words = ["[UNK]", "[SEP]", *(d for d in "0123456789:.?" if d not in missing), *(f"##{d}" for d in "0123456789")]
    words += ["lives", "in", "peru", "how", "important", "is", "family", "answer", "not", "at", "all", "a", "b"]
    made = Tokenizer(models.WordPiece({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    make: Any = PreTrainedTokenizerFast
    return make(tokenizer_object=made, unk_token="[UNK]", sep_token="[SEP]")


def test_pieces_of_words_go_on_with_a_word_and_words_begin_another(tmp_path: Path) -> None:
    tokenizer = word_pieces()
    model = saved(tmp_path, tokenizer, len(tokenizer))
    id_of = tokenizer.convert_tokens_to_ids
    tokens = tokenizer(PROMPT, add_special_tokens=False)["input_ids"]
    first = logprobs_behind(model, tokens).exp()
    then = logprobs_behind(model, [*tokens, id_of("1")]).exp()
    pieces = [id_of(f"##{digit}") for digit in "0123456789"]
    top = ask(model, "token_probs").tokens[0].top
    one, ten = float(first[id_of("1")]), float(then[id_of("##0")])
    assert math.exp(top["10"]) == pytest.approx(one * ten, rel=1e-4)
    assert math.exp(top["1"]) == pytest.approx(one * (1 - float(then[pieces].sum())), rel=1e-4)
    assert math.exp(top["4"]) == pytest.approx(float(first[id_of("4")]), rel=1e-4)
    words = ask(model, "token_probs", ("Not at all", "Important", "A")).tokens[0].top
    not_at = [*tokens, id_of("not"), id_of("at")]
    whole = sum(
        float(logprobs_behind(model, not_at[: len(tokens) + k])[id_of(w)]) for k, w in enumerate(("not", "at", "all"))
    )
    assert words["not at all"] == pytest.approx(whole, abs=1e-4)


def test_options_that_a_tokenizer_does_not_know_or_tell_apart_are_refused(tmp_path: Path) -> None:
    unknown = saved(tmp_path / "unknown", word_pieces("7"), 60)
    nothing = make_tokenizer(is_chat=True)
    nothing.backend_tokenizer.normalizer = normalizers.Replace("7", "")
    silent = saved(tmp_path / "silent", nothing, len(nothing))
    alike = make_tokenizer()
    alike.backend_tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    folded = saved(tmp_path / "folded", alike, len(alike))
    for method in ("token_probs", "option_likelihood"):
        with pytest.raises(ModelError, match=r"^unknown: its tokenizer has no tokens for the option '7'; choose"):
            ask(unknown, method)
        with pytest.raises(ModelError, match=r"^silent: its tokenizer has no tokens for the option '7'; choose"):
            ask(silent, method)
        with pytest.raises(ModelError, match=r"^folded: .* gives the options 'a' and 'A' the same tokens"):
            ask(folded, method, ("a", "A"))


def test_an_option_behind_a_blank_that_belongs_to_it_is_read_whole(tmp_path: Path) -> None:
    model = LocalModel(str(save(tmp_path)))
    ((_, sequences),) = model.encoder.encode_options([PROMPT + " "], [("Not", "No", "10")], spelled=True)
    (wanted,) = (model.encoder.tokenizer(text)["input_ids"] for text in ("Not",))
    assert sequences[0] == tuple(wanted), "and not what is left of it behind as many tokens as the prompt has alone"


RAISING = (
    "{% if messages[0]['role'] == 'user' %}{{ raise_exception('no users: ' + messages[0]['content']) }}{% endif %}"
)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (RAISING, r"cannot render a prompt \(no users: .*\); give --prompt plain"),
        ("{{ messages[0]['content'] }}{% if %}", "cannot render a prompt"),
        ("{{ messages[0].content.lower(3) }}", "cannot render a prompt"),
        ("{{ ''.__class__.__mro__ }}{{ messages[0]['content'] }}", "cannot render a prompt.*unsafe"),
        ("{{ messages.append(1) }}{{ messages[0]['content'] }}", "cannot render a prompt.*unsafe"),
        ("<s>user", "leaves out a part of the prompt"),
        ("{% for part in messages[0]['content'] %}{{ part.text }}{% endfor %}", "leaves out a part of the prompt"),
        ("{{ messages[0]['content'][:9] }}", "leaves out a part of the prompt"),
    ],
)
def test_a_template_that_does_not_show_the_prompt_is_refused_and_plain_prompts_go(
    tmp_path: Path, template: str, message: str
) -> None:
    save(tmp_path / "model", is_chat=True)
    (tmp_path / "model" / "chat_template.jinja").write_text(template)
    with pytest.raises(ModelError, match=f"^model: its chat template {message}") as caught:
        _ = LocalModel(str(tmp_path / "model")).encoder
    assert "\n" not in str(caught.value)
    plain = LocalModel(str(tmp_path / "model"), LocalOptions(prompt="plain"))
    without = LocalModel(str(save(tmp_path / "without")))
    assert ask(plain, "option_likelihood").option_logprobs == ask(without, "option_likelihood").option_logprobs


def test_what_a_template_says_of_a_prompt_is_not_repeated(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", is_chat=True)
    (folder / "chat_template.jinja").write_text(
        "{% if 'Peru' in messages[0]['content'] %}{{ raise_exception(messages[0]['content']) }}{% endif %}"
        "{{ messages[0]['content'] }}"
    )
    with pytest.raises(ModelError, match="cannot render a prompt; give --prompt plain") as caught:
        ask(LocalModel(str(folder)))
    assert "Peru" not in str(caught.value)


def test_an_empty_template_is_none(tmp_path: Path) -> None:
    folder = save(tmp_path, is_chat=True)
    (folder / "chat_template.jinja").write_text("")
    assert not LocalModel(str(folder)).encoder.is_chat


THINKING = CHAT_TEMPLATE + "{% if enable_thinking is defined and not enable_thinking %}<|im_end|>{% endif %}"


def test_variables_of_a_chat_template_reach_it_and_are_part_of_the_description(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", is_chat=True)
    (folder / "chat_template.jinja").write_text(THINKING)
    usual = LocalModel(str(folder))
    given = LocalModel(str(folder), LocalOptions(chat_template_kwargs={"enable_thinking": False}))
    other = LocalModel(str(folder), LocalOptions(chat_template_kwargs={"enable_thinkin": False}))
    assert given.encoder.render("Trust?") == usual.encoder.render("Trust?") + "<|im_end|>"
    assert other.encoder.render("Trust?") == usual.encoder.render("Trust?")
    assert "chat_template_kwargs" not in usual.describe(), "runs that were begun before go on"
    assert given.describe() == {**usual.describe(), "chat_template_kwargs": {"enable_thinking": False}}
    assert (usual.notes, given.notes) == ((), ())
    assert other.notes == ("model: its chat template does not mention enable_thinkin, which changes nothing.",)
    with pytest.raises(ModelError, match="tokenize is an argument of transformers"):
        _ = LocalModel(str(folder), LocalOptions(chat_template_kwargs={"tokenize": True})).encoder


def test_variables_without_a_template_are_refused(tmp_path: Path) -> None:
    kwargs = {"enable_thinking": False}
    with pytest.raises(ModelError, match="Plain prompts go through no chat template"):
        LocalOptions(prompt="plain", chat_template_kwargs=kwargs)
    with pytest.raises(ModelError, match="no chat template; ask without --chat-template-kwargs"):
        _ = LocalModel(str(save(tmp_path)), LocalOptions(chat_template_kwargs=kwargs)).encoder


def test_what_a_template_writes_twice_stays_as_transformers_has_it(tmp_path: Path) -> None:
    folder = save(tmp_path, is_chat=True, has_begin=True)
    (folder / "chat_template.jinja").write_text("{{ bos_token }}" + CHAT_TEMPLATE)
    encoder = LocalModel(str(folder)).encoder
    direct = encoder.tokenizer.apply_chat_template([{"role": "user", "content": "Trust?"}], add_generation_prompt=True)
    assert encoder.encode([encoder.render("Trust?")]) == [tuple(direct["input_ids"])]


def test_a_folder_without_a_tokenizer_or_without_an_end_is_told_or_read(tmp_path: Path) -> None:
    make_model("gpt2", 300).save_pretrained(tmp_path / "none")
    with pytest.raises(ModelError, match=r"^none: its tokenizer knows no word"):
        ask(LocalModel(str(tmp_path / "none")))
    endless = make_tokenizer()
    endless.eos_token = None
    model = saved(tmp_path / "endless", endless, len(endless))
    rewrite(tmp_path / "endless" / "config.json", eos_token_id=None)
    (tmp_path / "endless" / "generation_config.json").unlink()
    assert ask(model).completions[0].finish_reason == "length"


def test_weights_that_lack_a_part_are_refused_and_not_made_up(tmp_path: Path) -> None:
    folder = save(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    save_file({name: value for name, value in weights.items() if "lm_head" not in name}, folder / "model.safetensors")
    with pytest.raises(ModelError, match=r"^model: its weights lack 1 of the model's tensors \(lm_head\.weight first"):
        ask(LocalModel(str(folder)))


def test_logits_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    for architecture in ("llama", "bloom"):
        folder = save(tmp_path / architecture, architecture)
        model = LocalModel(str(folder))
        with torch.no_grad():
            model.loaded.model.lm_head.weight[5] = math.nan
        for method in ("greedy", "token_probs", "option_likelihood"):
            with pytest.raises(ModelError, match=rf"^{architecture}: its logits are not finite numbers in float32"):
                ask(model, method)


def test_how_a_folder_wants_completions_generated_changes_none(tmp_path: Path) -> None:
    plain = LocalModel(str(save(tmp_path / "plain")))
    folder = save(tmp_path / "wanting")
    wanted = {"do_sample": True, "top_k": 1, "top_p": 0.1, "repetition_penalty": 9.0, "suppress_tokens": [5, 6, 7]}
    rewrite(folder / "generation_config.json", temperature=0.2, **wanted)
    wanting = LocalModel(str(folder))
    assert ask(wanting, "greedy") == ask(plain, "greedy")
    for temperature in (0.2, 1.0):
        sampling: dict[str, Any] = {"temperature": temperature, "max_tokens": 40, "seed": 2}
        assert ask(wanting, "sampled", **sampling) == ask(plain, "sampled", **sampling)
    own = ask(wanting, "sampled", temperature=None, max_tokens=40, seed=2)
    assert own.completions == ask(plain, "sampled", temperature=0.2, max_tokens=40, seed=2).completions


class _Marks:
    """Something that would make a folder if it were unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        import os

        return os.mkdir, (str(self.folder),)


def test_weights_are_never_unpickled_as_code(tmp_path: Path) -> None:
    folder, mark = save(tmp_path / "model"), tmp_path / "ran"
    numbers = dict(LocalModel(str(folder)).loaded.model.state_dict())
    wanted = ask(LocalModel(str(folder)), "option_likelihood")
    (folder / "model.safetensors").unlink()
    torch.save({"model.embed_tokens.weight": _Marks(mark)}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"^model: its \.bin weights hold more than numbers.*use weights in safeten"):
        ask(LocalModel(str(folder)))
    assert not mark.exists()
    torch.save(numbers, folder / "pytorch_model.bin")
    assert ask(LocalModel(str(folder)), "option_likelihood").option_logprobs == wanted.option_logprobs


def with_code(folder: Path, mark: Path) -> Path:
    """A model beside code that would make a folder if it were run."""
    save(folder)
    (folder / "own.py").write_text(f"import os\nos.mkdir({str(mark)!r})\n")
    return folder


def test_code_that_comes_with_weights_is_not_run_and_nobody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def agree(question: str = "") -> str:
        asked.append(question)
        return "y"

    monkeypatch.setattr("builtins.input", agree)
    mark = tmp_path / "ran"
    auto_map = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model", "AutoModel": "own.Model"}
    strange = with_code(tmp_path / "strange", mark)
    rewrite(strange / "config.json", auto_map=auto_map, model_type="unheard")
    words = with_code(tmp_path / "words", mark)
    rewrite(words / "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Words", None]}, tokenizer_class="Words")
    kernel = with_code(tmp_path / "kernel", mark)
    rewrite(kernel / "config.json", attn_implementation="somebody/attention")
    for folder, why in ((strange, "for its model"), (words, "for its tokenizer"), (kernel, "somebody/attention")):
        with pytest.raises(ModelError, match=f"^{folder.name}: needs code .*{why}.*never run here; choose a model"):
            ask(LocalModel(str(folder)))
    known = with_code(tmp_path / "known", mark)
    rewrite(known / "config.json", auto_map=auto_map)
    assert ask(LocalModel(str(known))) == ask(LocalModel(str(save(tmp_path / "plain")))), "transformers has it itself"
    assert asked == []
    assert not mark.exists()
