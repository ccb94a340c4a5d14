"""What the benchmark of local models asks, and of whom: prompts about invented people, and a random model."""

import tempfile
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from worldvaluesbench.benchmark._build import build_dataset
from worldvaluesbench.benchmark._spec import read_spec
from worldvaluesbench.prompts._options import Labels, choices_of, shown_options
from worldvaluesbench.prompts._persona import DEFAULT_ATTRIBUTES, persona_of
from worldvaluesbench.prompts._request import Request, Sampling, request_id_of
from worldvaluesbench.prompts._template import load_template, render_prompt
from worldvaluesbench.survey._codebook import Codebook
from worldvaluesbench.survey.synthetic._synthetic import write_synthetic

SHAPES = {
    "small": {"hidden_size": 512, "intermediate_size": 1376, "num_hidden_layers": 8, "num_attention_heads": 8},
    "7b": {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32},
}
N_TOKENS = 32_000


def make_requests(
    n_people: int, n_items: int, *, attributes: tuple[str, ...] | None = DEFAULT_ATTRIBUTES, labels: Labels = "digits"
) -> list[Request]:
    """The paper's items asked about invented people, person by person, with the packaged template.

    `attributes` None shows all 42.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_synthetic(Path(folder) / "invented.csv", max(100, n_people), seed=1)
        dataset = build_dataset(Path(folder) / "invented.csv", Path(folder) / "data")
        shown = dataset.codebook.attribute_ids if attributes is None else attributes
        people = dataset.respondents(shown).unique(maintain_order=True).head(n_people).to_dicts()
    item_ids = read_spec("paper36", dataset.codebook).item_ids[:n_items]
    return [_request(dataset.codebook, codes, item_id, labels) for codes in people for item_id in item_ids]


def _request(codebook: Codebook, codes: dict[str, int], item_id: str, labels: Labels) -> Request:
    item = codebook.item(item_id)
    choices = choices_of(item, labels)
    persona = persona_of(codes, codebook)
    prompt = render_prompt(load_template("symbol"), persona, item, options=shown_options(choices))
    symbols = tuple(choice.symbol for choice in choices)
    return Request(request_id_of(prompt, ""), item_id, 0, prompt, "option_likelihood", symbols, Sampling())


def make_tokenizer(texts: list[str], *, splits_digits: bool) -> Any:
    """A byte-level tokenizer trained on these texts; "10" is one of its tokens, or no digit stands with another."""
    tokenizer = Tokenizer(models.BPE())
    blanks = pre_tokenizers.ByteLevel(add_prefix_space=False)
    steps = [pre_tokenizers.Digits(individual_digits=True), blanks] if splits_digits else [blanks]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=N_TOKENS, initial_alphabet=alphabet, special_tokens=["<s>", "</s>"], show_progress=False
    )
    tokenizer.train_from_iterator([*texts, *[f" {number}" for number in range(1, 11)] * 100], trainer)
    make: Any = PreTrainedTokenizerFast
    return make(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


def make_model(folder: Path, shape: str, tokenizer: Any, *, dtype: torch.dtype, device: str) -> None:
    """A random Llama of this shape in a folder, with its tokenizer."""
    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    sizes: dict[str, Any] = SHAPES[shape]
    config = LlamaConfig(vocab_size=N_TOKENS, max_position_embeddings=4096, **sizes)
    with torch.device(device):
        model = LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
