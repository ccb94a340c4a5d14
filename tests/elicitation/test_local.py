"""Local models against plain forward passes over each single text, with tokenizers that do and do not split digits."""

import itertools
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from worldvaluesbench.parsing._probabilities import read_tokens

pytest.importorskip("torch", reason="local models need torch; pip install worldvaluesbench[local]")
pytest.importorskip("transformers", reason="local models need transformers; pip install worldvaluesbench[local]")

import torch

from tests.elicitation.local_models import make_model, plain_logprobs, save
from worldvaluesbench.errors import ModelError
from worldvaluesbench.models.local._model import LocalModel, LocalOptions
from worldvaluesbench.parsing._shares import Distribution
from worldvaluesbench.prompts._options import AnswerOption
from worldvaluesbench.prompts._request import Reply, Request, Sampling
from worldvaluesbench.prompts._template import Method

TEN = tuple(str(number) for number in range(1, 11))
PLAIN = Sampling()
WORDS = ("Very", "Rather", "Not very", "Not at all")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models by what is odd about them."""
    base = tmp_path_factory.mktemp("models")
    return {
        "whole": save(base / "whole", "llama", "whole"),
        "split": save(base / "split", "llama", "split"),
        "gpt2": save(base / "gpt2", "gpt2", "split"),
        "chat": save(base / "chat", "llama", "split", is_chat=True, has_begin=True),
        "begin": save(base / "begin", "llama", "whole", has_begin=True),
        "window": save(base / "window", "mistral", "split"),
        "alibi": save(base / "alibi", "bloom", "split"),
    }


@cache
def local(folder: Path) -> LocalModel:
    """A model with its weights loaded once for all tests."""
    return LocalModel(str(folder))


def prompts() -> list[str]:
    """Two people with four questions each, of different lengths; the first question begins like the second."""
    people = [f"Facts about the person: lives in {'Peru ' * length}and works.\n" for length in (15, 18)]
    questions = ["How important is family?", "How important are friends in life?", "Trust?", "God? " * 9]
    return [f"{person}{question}\nAnswer:" for person, question in itertools.product(people, questions)]


def ask(
    model: LocalModel, method: Method, options: Sequence[str] = TEN, *, sampling: Sampling = PLAIN, n: int = 1
) -> list[Reply]:
    """The replies to all prompts, in their order."""
    requests = [
        Request(f"r{number}", "Q1", 0, prompt, method, tuple(options), sampling, n)
        for number, prompt in enumerate(prompts())
    ]
    replies = {reply.request.request_id: reply for reply in model.replies(requests)}
    return [replies[request.request_id] for request in requests]


def full_text(model: LocalModel, prompt: str) -> str:
    if not model.encoder.is_chat:
        return prompt
    return f"<s><|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"


def tokens_of(model: LocalModel, text: str) -> list[int]:
    tokens: list[int] = model.encoder.tokenizer(text, add_special_tokens=False)["input_ids"]
    has_begin = model.encoder.tokenizer("a")["input_ids"][0] == 0
    return [0, *tokens] if has_begin and tokens[0] != 0 else tokens


def plain_likelihood(model: LocalModel, prompt: str, option: str) -> float:
    """The log-probability of an option behind a prompt, by one forward pass over both."""
    text = full_text(model, prompt)
    behind = option if model.encoder.is_chat else f" {option}"
    whole, n_prompt = tokens_of(model, text + behind), len(tokens_of(model, text))
    logprobs = plain_logprobs(model.loaded.model, whole)
    return sum(float(logprobs[place - 1, whole[place]]) for place in range(n_prompt, len(whole)))


@pytest.mark.parametrize("kind", ["whole", "split", "gpt2", "chat", "begin", "window", "alibi"])
@pytest.mark.parametrize("options", [TEN, WORDS], ids=["digits", "words"])
def test_option_likelihoods_are_those_of_plain_forward_passes(
    folders: dict[str, Path], kind: str, options: tuple[str, ...]
) -> None:
    model = local(folders[kind])
    splits_ten = len(tokens_of(model, "10")) == len(tokens_of(model, "1")) + 1
    for prompt, reply in zip(prompts(), ask(model, "option_likelihood", options), strict=True):
        wanted = [plain_likelihood(model, prompt, option) for option in options]
        if options == TEN and splits_ten:
            wanted[0] = math.log(math.exp(wanted[0]) - math.exp(wanted[9]))
        assert reply.option_logprobs == pytest.approx(wanted, abs=2e-5)
        assert reply.prompt_tokens == len(tokens_of(model, full_text(model, prompt)))


@pytest.mark.parametrize("method", ["option_likelihood", "token_probs"])
def test_weights_that_give_no_numbers_are_refused_in_one_line(folders: dict[str, Path], method: Method) -> None:
    model = LocalModel(str(folders["whole"]))
    for weights in model.loaded.model.parameters():
        weights.data.fill_(math.nan)
    with pytest.raises(ModelError, match=r"^\S+: its logits are not finite numbers in float32"):
        ask(model, method)


@pytest.mark.parametrize("kind", ["whole", "split", "chat"])
def test_sharing_beginnings_and_small_batches_change_no_likelihood(folders: dict[str, Path], kind: str) -> None:
    shared = ask(local(folders[kind]), "option_likelihood")
    for options in (
        LocalOptions(share_prefix=False),
        LocalOptions(batch_tokens=200),
        LocalOptions(batch_tokens=1, window=5),
    ):
        alone = ask(LocalModel(str(folders[kind]), options=options), "option_likelihood")
        for one, other in zip(shared, alone, strict=True):
            assert one.option_logprobs == pytest.approx(other.option_logprobs, abs=1e-5)


def test_one_and_ten_are_different_answers_when_digits_are_split(folders: dict[str, Path]) -> None:
    model = local(folders["split"])
    for prompt, reply in zip(prompts(), ask(model, "option_likelihood"), strict=True):
        context = tokens_of(model, prompt)
        one, nought = tokens_of(model, " 1"), tokens_of(model, "0")
        first = float(plain_logprobs(model.loaded.model, context)[-1, one[0]])
        then = float(plain_logprobs(model.loaded.model, context + one)[-1, nought[0]])
        assert reply.option_logprobs[9] == pytest.approx(first + then, abs=1e-5)
        assert reply.option_logprobs[0] == pytest.approx(first + math.log1p(-math.exp(then)), abs=1e-5)
        assert sum(map(math.exp, reply.option_logprobs)) <= 1


@pytest.mark.parametrize("kind", ["whole", "split", "chat", "alibi"])
def test_token_probabilities_are_those_of_plain_forward_passes(folders: dict[str, Path], kind: str) -> None:
    model = local(folders[kind])
    texts = model.encoder.vocabulary.texts
    for prompt, reply in zip(prompts(), ask(model, "token_probs"), strict=True):
        context = tokens_of(model, full_text(model, prompt))
        logprobs = plain_logprobs(model.loaded.model, context)[-1]
        top = reply.tokens[0].top
        for digit in "23456789":
            for text in (digit, f" {digit}"):
                assert top[text] == pytest.approx(float(logprobs[texts.index(text)]), abs=1e-5)
        assert top["10"] == pytest.approx(probability_of_ten(model, context), abs=1e-5)
        likeliest = texts[int(logprobs.argmax())]
        assert likeliest in top or likeliest.strip() in ("", "1")
        assert sum(map(math.exp, top.values())) <= 1 + 1e-6


def probability_of_ten(model: LocalModel, context: list[int]) -> float:
    """The log-probability that "10" follows, as one token or as two."""
    texts, total, logprobs = model.encoder.vocabulary.texts, 0.0, plain_logprobs(model.loaded.model, context)[-1]
    if len(tokens_of(model, "10")) == len(tokens_of(model, "1")):
        return float(logprobs[texts.index("10")])
    one = texts.index("1")
    total += math.exp(
        float(logprobs[one]) + float(plain_logprobs(model.loaded.model, [*context, one])[-1, texts.index("0")])
    )
    return math.log(total)


@pytest.mark.parametrize("kind", ["whole", "split"])
def test_a_reader_of_tokens_finds_every_option_of_ten(folders: dict[str, Path], kind: str) -> None:
    model = local(folders[kind])
    model.loaded.model.lm_head.weight.requires_grad_(False)
    choices = [AnswerOption(symbol, "", int(symbol)) for symbol in TEN]
    with biased(model, TEN):
        replies = ask(model, "token_probs")
        wanted = [by_hand(model, tokens_of(model, prompt)) for prompt in prompts()]
    for reply, by_rating in zip(replies, wanted, strict=True):
        read = read_tokens(reply.tokens, choices)
        assert isinstance(read, Distribution)
        total = sum(by_rating)
        assert read.coverage == pytest.approx(total, abs=1e-4)
        assert read.probabilities == pytest.approx([share / total for share in by_rating], abs=1e-4)


class biased:  # noqa: N801
    """Within it a model says digits much more often than anything else."""

    def __init__(self, model: LocalModel, symbols: Sequence[str]) -> None:
        texts = model.encoder.vocabulary.texts
        boost = torch.zeros(model.loaded.n_tokens)
        for symbol in symbols:
            for text in (symbol, f" {symbol}", *(["0"] if symbol == "10" else [])):
                if text in texts:
                    boost[texts.index(text)] = 30.0
        self._head, self._boost = model.loaded.model.lm_head, boost

    def __enter__(self) -> None:
        self._hook = self._head.register_forward_hook(lambda module, given, logits: logits / 4 + self._boost)

    def __exit__(self, *error: object) -> None:
        self._hook.remove()


def by_hand(model: LocalModel, context: list[int]) -> list[float]:
    """The probability of each number from 1 to 10 as an answer: a number that goes on is not the one it began as."""
    texts = model.encoder.vocabulary.texts
    found = dict.fromkeys(TEN, 0.0)
    first = plain_logprobs(model.loaded.model, context)[-1].exp()
    for token, text in enumerate(texts):
        said = text.strip()
        if said in TEN and text.lstrip(" ") == said:
            share = float(first[token])
            if said == "1" and len(tokens_of(model, "10")) > 1:
                then = plain_logprobs(model.loaded.model, [*context, token])[-1].exp()
                goes_on = sum(float(then[other]) for other, text in enumerate(texts) if text[:1].isalnum())
                ten = float(then[texts.index("0")])
                found["10"] += share * ten
                share *= 1 - goes_on
            found[said] += share
    return [found[symbol] for symbol in TEN]


def test_a_blank_before_the_answer_is_followed_to_the_next_place(folders: dict[str, Path]) -> None:
    model = local(folders["whole"])
    with biased(model, ["\n"]):
        replies = ask(model, "token_probs")
    assert [[choice.token for choice in reply.tokens] for reply in replies] == [["\n"] * 3] * len(replies)
    assert {reply.completion_tokens for reply in replies} == {3}


def plain_greedy(model: LocalModel, tokens: list[int], n: int) -> list[int]:
    written: list[int] = []
    for _ in range(n):
        written.append(int(plain_logprobs(model.loaded.model, tokens + written)[-1].argmax()))
        if written[-1] == 1:
            break
    return written


@pytest.mark.parametrize("kind", ["whole", "gpt2", "chat", "window", "alibi"])
def test_greedy_completions_are_the_most_likely_tokens_one_by_one(folders: dict[str, Path], kind: str) -> None:
    model = local(folders[kind])
    replies = ask(model, "greedy", sampling=Sampling(max_tokens=12))
    for prompt, reply in zip(prompts(), replies, strict=True):
        wanted = plain_greedy(model, tokens_of(model, full_text(model, prompt)), 12)
        text = model.encoder.tokenizer.decode(wanted, skip_special_tokens=True)
        assert [completion.text for completion in reply.completions] == [text]
        assert reply.completions[0].finish_reason == ("stop" if wanted[-1] == 1 else "length")
        assert reply.completion_tokens == len(wanted)


def test_samples_do_not_depend_on_what_is_asked_beside_them(folders: dict[str, Path]) -> None:
    sampling = Sampling(temperature=1.5, max_tokens=8, seed=3)
    together = ask(local(folders["whole"]), "sampled", sampling=sampling, n=4)
    apart = LocalModel(str(folders["whole"]), options=LocalOptions(window=1, batch_tokens=1))
    assert ask(apart, "sampled", sampling=sampling, n=4) == together
    assert len({completion.text for reply in together for completion in reply.completions}) > 25
    whole = together[5]
    later = Request("r5", "Q1", 0, prompts()[5], "sampled", TEN, sampling, 2, first_sample=2)
    (reply,) = apart.replies([later])
    assert reply.completions == whole.completions[2:]


def test_another_seed_or_attempt_is_another_sample(folders: dict[str, Path]) -> None:
    model = local(folders["whole"])
    made = [
        Request("r", "Q1", 0, "A\nAnswer:", "sampled", TEN, Sampling(1.0, 12, seed=seed), attempt=attempt)
        for seed, attempt in ((1, 0), (2, 0), (1, 1), (1, 0))
    ]
    texts = [next(iter(model.replies([request]))).completions[0].text for request in made]
    assert len(set(texts)) == 3
    assert texts[0] == texts[3]


def test_samples_are_as_frequent_as_the_model_says(folders: dict[str, Path]) -> None:
    model = local(folders["whole"])
    request = Request("r", "Q1", 0, "Trust?\nAnswer:", "sampled", TEN, Sampling(0.5, 1), n=600)
    (reply,) = model.replies([request])
    shares = (2 * plain_logprobs(model.loaded.model, tokens_of(model, request.prompt))[-1]).softmax(-1)
    token = int(shares.argmax())
    text = model.encoder.decode([token])
    n = sum(completion.text == text for completion in reply.completions)
    same = sum(float(share) for other, share in enumerate(shares) if model.encoder.decode([other]) == text)
    assert abs(n / 600 - same) < 4 * math.sqrt(same * (1 - same) / 600) + 1e-9


def test_a_completion_ends_before_its_stop(folders: dict[str, Path]) -> None:
    model = local(folders["whole"])
    (free,) = model.replies([Request("r", "Q1", 0, "Trust?", "greedy", TEN, Sampling(max_tokens=12))])
    text = free.completions[0].text
    stop = next(char for char in text[2:] if char.isprintable() and char != "\N{REPLACEMENT CHARACTER}")
    (held,) = model.replies([Request("r", "Q1", 0, "Trust?", "greedy", TEN, Sampling(max_tokens=12, stop=(stop,)))])
    assert held.completions[0].text == text[: text.index(stop)]
    assert held.completions[0].finish_reason == "stop"


def test_a_chat_prompt_begins_once(folders: dict[str, Path]) -> None:
    model = local(folders["chat"])
    (tokens,) = model.encoder.encode([model.encoder.render("Trust?")])
    assert tokens.count(0) == 1
    plain = LocalModel(str(folders["chat"]), options=LocalOptions(prompt="plain"))
    (tokens,) = plain.encoder.encode([plain.encoder.render("Trust?")])
    assert tokens[0] == 0
    assert tokens.count(0) == 1


def test_a_batch_too_large_for_the_device_is_halved(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    model = local(folders["whole"])
    wanted = {method: ask(model, method, sampling=Sampling(max_tokens=4)) for method in ("option_likelihood", "greedy")}
    small = small_device(model.loaded.model.forward, n_rows=2)
    monkeypatch.setattr(model.loaded.model, "forward", small)
    for method, replies in wanted.items():
        found = ask(model, method, sampling=Sampling(max_tokens=4))  # type: ignore[arg-type]
        for one, other in zip(found, replies, strict=True):
            assert one.completions == other.completions
            assert one.option_logprobs == pytest.approx(other.option_logprobs, abs=1e-5)


def small_device(forward: Any, n_rows: int) -> Any:
    """A device on which no more rows fit than these."""

    def limited(**given: Any) -> Any:
        if len(given["input_ids"]) > n_rows:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(**given)

    return limited


def test_a_model_that_cannot_share_is_known(folders: dict[str, Path]) -> None:
    assert local(folders["split"]).runner.can_share
    assert not local(folders["alibi"]).runner.can_share
    assert local(folders["window"]).runner.window == 48


def test_requests_are_taken_window_by_window(folders: dict[str, Path]) -> None:
    model = LocalModel(str(folders["whole"]), options=LocalOptions(window=3))
    taken = []

    def give() -> Any:
        for number, prompt in enumerate(prompts()):
            taken.append(number)
            yield Request(f"r{number}", "Q1", 0, prompt, "option_likelihood", TEN, Sampling())

    replies = model.replies(give())
    next(replies)
    assert taken == [0, 1, 2]
    assert len(list(replies)) == len(prompts()) - 1


def test_what_a_local_model_cannot_do_is_said_in_one_line(folders: dict[str, Path], tmp_path: Path) -> None:
    model = local(folders["chat"])
    request = Request("r", "Q1", 0, "Trust?", "greedy", TEN, Sampling(), schema={"type": "object"})
    with pytest.raises(ModelError, match="JSON schema"):
        list(model.replies([request]))
    long = Request("r", "Q1", 0, "secret " * 400, "option_likelihood", TEN, Sampling())
    with pytest.raises(ModelError, match="reads at most 512") as caught:
        list(model.replies([long]))
    assert "secret" not in str(caught.value)
    with pytest.raises(ModelError, match="chat template"):
        _ = LocalModel(str(folders["whole"]), options=LocalOptions(prompt="chat")).encoder
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"^empty: its model cannot be loaded .*\.$"):
        _ = LocalModel(str(tmp_path / "empty")).encoder
    with pytest.raises(ModelError, match="no device 'tpux'"):
        _ = LocalModel(str(folders["whole"]), options=LocalOptions(device="tpux")).loaded


def test_a_description_holds_no_path_and_changes_with_the_files(folders: dict[str, Path]) -> None:
    one, two = (local(folders[kind]).describe() for kind in ("whole", "split"))
    assert one["model"] == "whole"
    assert one["files"] != two["files"]
    assert str(folders["whole"].parent) not in str(one)
    assert make_model("llama", 8).config.vocab_size == 8
