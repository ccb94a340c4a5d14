"""A local model: transformers weights from a folder or the hub, asked on this machine (extra `local`).

Prompts that begin alike are computed once: requests come person by person, and a person's facts stand at the begin
of each of their prompts. All options of a prompt are read in the same forward pass as the prompt. Every probability
is exact: the one that a plain forward pass over each single text gives, up to rounding.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, get_args

from worldvaluesbench._io import interruptible
from worldvaluesbench.errors import LogprobError, ModelError
from worldvaluesbench.models import describe_template
from worldvaluesbench.models.local._loading import (
    Loaded,
    describe_files,
    load_model,
    load_wording,
    shown_name,
)
from worldvaluesbench.models.local._wording import Wording
from worldvaluesbench.prompts import METHODS, TEXT_METHODS, Method, Reply, Request

if TYPE_CHECKING:
    from worldvaluesbench.models.local._reader import Reader

Prompting = Literal["auto", "chat", "plain"]
DTYPES = ("auto", "float32", "bfloat16", "float16")
BATCH_TOKENS = {"cpu": 4_096}
BATCH_TOKENS_ELSEWHERE = 32_768


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """How a local model is run.

    `device`: `auto` takes cuda, else mps, else cpu. `dtype`: `auto` is the checkpoint's own 16 bits (bfloat16 where it
    has others), and float32 on a CPU. `batch_tokens`: how many tokens are held at once, padding included (None: 4,096
    on a CPU, else 32,768); a batch that does not fit into a device's memory is halved. `window`: how many requests are
    taken at once, to find what begins alike. `prompt`: `auto` is `chat` where the tokenizer has a template.
    `chat_template_kwargs`: variables that the chat template is given, such as `enable_thinking`. `share_prefix`:
    whether what begins alike is computed once.
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
            "files": describe_files(self.path_or_name),
            "dtype": self.options.dtype,
            "prompt": self.options.prompt,
        } | describe_template(self.options.chat_template_kwargs)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known before it is asked, a line each: variables that its chat template does not mention."""
        unused = [name for name in self.options.chat_template_kwargs or {} if not self.wording.mentions(name)]
        return tuple(
            f"{self.name}: its chat template does not mention {name}, which changes nothing." for name in unused
        )

    def replies(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """A reply for every request, batch by batch; a window of requests is taken ahead of them.

        Once they are withdrawn (`Model.replies`) the batch at hand is the last. An interrupt while the weights are
        loaded stops at once: there is nothing to wait for.

        Raises ModelError for a request that it cannot answer: a JSON schema, or a prompt longer than its context.
        """
        source = iter(requests)
        while window := list(islice(source, self.options.window)):
            yield from self._answer(window, lambda: bool(getattr(requests, "is_withdrawn", False)))

    def count_tokens(self, text: str) -> int | None:
        """How many tokens the model makes of a text."""
        return self.wording.n_tokens(text)

    @cached_property
    def wording(self) -> Wording:
        """Its tokenizer."""
        return load_wording(self.path_or_name, self.options.prompt, self.options.chat_template_kwargs)

    @cached_property
    def loaded(self) -> Loaded:
        """Its weights."""
        options = self.options
        with interruptible(_stop):
            return load_model(self.path_or_name, self.wording, device=options.device, dtype=options.dtype)

    @cached_property
    def reader(self) -> "Reader":
        """How its weights are read."""
        from worldvaluesbench.models.local._reader import Reader
        from worldvaluesbench.models.local._reading import shares_exactly

        model = self.loaded.model
        budget = self.options.batch_tokens or BATCH_TOKENS.get(model.device.type, BATCH_TOKENS_ELSEWHERE)
        keeps_memory = shares_exactly(model, self.loaded.n_tokens)
        return Reader(model, budget, self.options.share_prefix, keeps_memory, self.loaded.window)

    def _answer(self, window: Sequence[Request], is_withdrawn: Callable[[], bool]) -> Iterator[Reply]:
        for request in window:
            if request.schema is not None:
                raise ModelError(
                    f"{self.name}: a local model cannot be held to a JSON schema; ask without structured output."
                )
        loaded = self.loaded  # says in one line which libraries are absent, before they are imported
        from worldvaluesbench.models.local._answers import (
            answer_by_likelihood,
            answer_by_text,
            answer_by_tokens,
        )

        ways: dict[str, Any] = {"option_likelihood": answer_by_likelihood, "token_probs": answer_by_tokens}
        ways |= dict.fromkeys(TEXT_METHODS, answer_by_text)
        for method in dict.fromkeys(request.method for request in window):
            asked = [request for request in window if request.method == method]
            try:
                yield from ways[method](loaded, replace(self.reader, is_withdrawn=is_withdrawn), asked)
            except LogprobError as error:
                raise LogprobError(
                    f"{self.name}: {error} Its weights may be damaged, or need another --dtype."
                ) from None


def _stop() -> None:
    raise KeyboardInterrupt
