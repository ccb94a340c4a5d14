"""A local model: transformers weights from a folder or the hub, on this machine (extra `local`).

Prefixes that prompts share are computed once: requests come person by person, and a person's facts are at the
beginning of each of their prompts. All options of a prompt are computed in the same forward pass as the prompt. Every
probability is exact: the one that a plain forward pass over each single text gives, up to rounding.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, get_args

from worldvaluesbench._io import interruptible
from worldvaluesbench.errors import LogprobError, ModelError
from worldvaluesbench.models import describe_template
from worldvaluesbench.models.local._encoding import PromptEncoder
from worldvaluesbench.models.local._loading import LoadedModel, hash_files, load_encoder, load_model, shown_name
from worldvaluesbench.prompts import METHODS, Method, Reply, Request

if TYPE_CHECKING:
    from worldvaluesbench.models.local._forward import BatchRunner

Prompting = Literal["auto", "chat", "plain"]
DTYPES = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """How a local model is run.

    `device`: `auto` takes cuda, else mps, else cpu. `dtype`: `auto` is the checkpoint's own 16 bits (bfloat16 where it
    has others), and float32 on a CPU. `batch_tokens`: the tokens of a batch, padding included (None: 4,096 on a CPU,
    else 32,768); a batch that does not fit into the memory of a device is halved. `window`: how many requests are taken
    at once, to find shared prefixes. `prompt`: `auto` is `chat` where the tokenizer has a template.
    `chat_template_kwargs`: variables for the chat template, such as `enable_thinking`. `share_prefix`: whether prefixes
    that prompts share are computed once.

    Raises ModelError for a value that none of them can have.
    """

    device: str = "auto"
    dtype: str = "auto"
    batch_tokens: int | None = None
    window: int = 512
    prompt: Prompting = "auto"
    share_prefix: bool = True
    chat_template_kwargs: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ModelError(f"There is no dtype {self.dtype!r}; there are {', '.join(DTYPES)}.")
        if self.prompt not in get_args(Prompting):
            raise ModelError(f"There are no prompts {self.prompt!r}; there are {', '.join(get_args(Prompting))}.")
        if self.prompt == "plain" and self.chat_template_kwargs:
            raise ModelError("Plain prompts go through no chat template; ask without --chat-template-kwargs.")
        if self.window < 1 or (self.batch_tokens is not None and self.batch_tokens < 1):
            raise ModelError(f"window is {self.window}, batch_tokens {self.batch_tokens}; expected at least 1 of each.")


@dataclass(frozen=True)
class LocalModel:
    """A `Model` of transformers weights: `path_or_name` is a folder, or a name in the hub. Loaded when first used.

    Raises ModelError, from any method that needs them, where torch and transformers are absent or the weights cannot
    be loaded.
    """

    path_or_name: str
    options: LocalOptions = LocalOptions()

    @property
    def name(self) -> str:
        """The folder's or the hub's name."""
        return shown_name(self.path_or_name)

    @property
    def methods(self) -> frozenset[Method]:
        """All of them."""
        return frozenset(METHODS)

    def describe(self) -> Mapping[str, object]:
        """Its name, a hash of its folder's small files and of the sizes of its weights, dtype and prompts."""
        return {
            "backend": "local",
            "model": self.name,
            "files": hash_files(self.path_or_name),
            "dtype": self.options.dtype,
            "prompt": self.options.prompt,
        } | describe_template(self.options.chat_template_kwargs)

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before it is asked, a line each: variables that its chat template does not mention."""
        unused = [name for name in self.options.chat_template_kwargs or {} if not self.encoder.mentions(name)]
        return tuple(
            f"{self.name}: its chat template does not mention {name}, which changes nothing." for name in unused
        )

    def replies(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """A reply for every request, batch by batch; a window of requests is taken ahead of them.

        Once they are withdrawn (`Model.replies`) the current batch is the last. An interrupt while the weights are
        loaded stops at once: there is nothing to wait for.

        Raises ModelError for a request that it cannot answer: a JSON schema, or a prompt longer than its context.
        """
        source = iter(requests)
        while window := list(islice(source, self.options.window)):
            yield from self._answer(window, lambda: bool(getattr(requests, "is_withdrawn", False)))

    def count_tokens(self, text: str) -> int | None:
        """The number of tokens of a text."""
        return self.encoder.n_tokens(text)

    @cached_property
    def encoder(self) -> PromptEncoder:
        """Its tokenizer."""
        return load_encoder(self.path_or_name, self.options.prompt, self.options.chat_template_kwargs)

    @cached_property
    def loaded(self) -> LoadedModel:
        """Its weights."""
        with interruptible(_stop):
            return load_model(self.path_or_name, self.encoder, device=self.options.device, dtype=self.options.dtype)

    @cached_property
    def runner(self) -> "BatchRunner":
        """How its forward passes are run."""
        from worldvaluesbench.models.local._forward import BatchRunner, can_share

        model = self.loaded.model
        budget = self.options.batch_tokens or (4_096 if model.device.type == "cpu" else 32_768)
        return BatchRunner(
            model, budget, self.options.share_prefix, can_share(model, self.loaded.n_tokens), self.loaded.window
        )

    def _answer(self, window: Sequence[Request], is_withdrawn: Callable[[], bool]) -> Iterator[Reply]:
        if any(request.schema is not None for request in window):
            raise ModelError(
                f"{self.name}: a local model cannot be held to a JSON schema; ask without structured output."
            )
        loaded = self.loaded  # says in one line which libraries are absent, before they are imported
        from worldvaluesbench.models.local._answers import answer_by_likelihood, answer_by_text, answer_by_tokens

        ways = {"option_likelihood": answer_by_likelihood, "token_probs": answer_by_tokens}
        for method in dict.fromkeys(request.method for request in window):
            requests = [request for request in window if request.method == method]
            answer = ways.get(method, answer_by_text)
            try:
                yield from answer(loaded, replace(self.runner, is_withdrawn=is_withdrawn), requests)
            except LogprobError as error:
                raise LogprobError(
                    f"{self.name}: {error} Its weights may be damaged, or need another --dtype."
                ) from None


def _stop() -> None:
    raise KeyboardInterrupt
