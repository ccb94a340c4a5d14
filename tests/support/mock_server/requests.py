"""What is asked of the mock server: the body of a request, checked as OpenAI's API checks it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.mock_server.options import MockOptions
from worldvaluesbench.models.standin._server import count_roughly

COMPLETION_TOKENS = 16
"""How many tokens a plain completion has where nothing is said of it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: of which model, which prompts, and how completions are drawn.

    `top` is the number of alternatives to show at each token; None: no log-probabilities are asked for.
    """

    model: str
    prompts: tuple[str, ...]
    is_chat: bool
    n: int = 1
    temperature: float = 1.0
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    top: int | None = None
    echo: bool = False
    schema: Mapping[str, Any] | None = None


class Refusal(Exception):
    """A request that cannot succeed: the HTTP status, and the error in OpenAI's shape. It repeats no prompt."""

    def __init__(self, status: int, message: str, code: str | None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.body = {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


def read_chat(body: Mapping[str, Any], options: MockOptions) -> Asked:
    """A chat completion as asked for.

    Raises Refusal for what this server, or any, does not do.
    """
    model = _model(body, options)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(one, Mapping) for one in messages):
        raise Refusal(400, "Missing required parameter: 'messages'.", "missing_required_parameter", "messages")
    prompt = "\n".join(_content(message) for message in messages)
    top = _whole(body, "top_logprobs", 0, 0, options.most_logprobs) if body.get("logprobs") is True else None
    max_tokens = _chat_limit(body, options)
    asked = Asked(model, (prompt,), is_chat=True, max_tokens=max_tokens, top=top, **_drawing(body, options))
    return _checked(asked, options)


def read_completion(body: Mapping[str, Any], options: MockOptions) -> Asked:
    """A plain completion as asked for; a list of prompts is answered one after another.

    Raises Refusal for what this server, or any, does not do.
    """
    model = _model(body, options)
    prompt = body.get("prompt")
    prompts = (prompt,) if isinstance(prompt, str) else tuple(prompt) if isinstance(prompt, list) else ()
    if not prompts or not all(isinstance(one, str) for one in prompts):
        raise Refusal(400, "Expected 'prompt' to be a text or a list of texts.", "invalid_type", "prompt")
    if isinstance(prompt, list) and "lists" in options.without:
        raise Refusal(400, "Expected 'prompt' to be a text.", "invalid_type", None)
    echo = body.get("echo") is True
    if echo and "echo" in options.without:
        raise Refusal(400, "Setting 'echo' is not supported by this model.", "unsupported_parameter", "echo")
    max_tokens = _whole(body, "max_tokens", COMPLETION_TOKENS, 0 if echo else 1)
    if max_tokens == 0 and "zero_tokens" in options.without:
        raise Refusal(400, "max_tokens must be at least 1, got 0.", "invalid_value", "max_tokens")
    top = None if body.get("logprobs") is None else _whole(body, "logprobs", 0, 0, options.most_logprobs)
    drawing = _drawing(body, options)
    return _checked(Asked(model, prompts, is_chat=False, max_tokens=max_tokens, top=top, echo=echo, **drawing), options)


def check_model(model: object, options: MockOptions) -> str:
    """The name of a model that is served.

    Raises Refusal, 404, for any other.
    """
    if isinstance(model, str) and model in options.models:
        return model
    shown = str(model)[:80]
    raise Refusal(
        404, f"The model `{shown}` does not exist or you do not have access to it.", "model_not_found", "model"
    )


def _model(body: Mapping[str, Any], options: MockOptions) -> str:
    sent = {name for name in options.fails_on if body.get(name) is not None}
    if "lists" in options.fails_on and isinstance(body.get("prompt"), list):
        sent.add("lists")
    if sent:
        raise Refusal(options.fails_with, f"{min(sent)} is not supported for models of this server.", None)
    if body.get("stream"):
        raise Refusal(400, "Streaming is not supported by this server.", "unsupported_parameter", "stream")
    return check_model(body.get("model"), options)


def _checked(asked: Asked, options: MockOptions) -> Asked:
    limit = options.max_context
    if limit is not None:
        n_prompt, n_completion = max(map(count_roughly, asked.prompts)), asked.max_tokens or 0
        if n_prompt + n_completion > limit:
            message = (
                f"This model's maximum context length is {limit} tokens. However, you requested "
                f"{n_prompt + n_completion} tokens ({n_prompt} in the messages, {n_completion} in the completion)."
            )
            raise Refusal(400, message, "context_length_exceeded", "messages" if asked.is_chat else "prompt")
    return asked


def _chat_limit(body: Mapping[str, Any], options: MockOptions) -> int | None:
    if options.is_reasoning and body.get("max_tokens") is not None:
        message = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        )
        raise Refusal(400, message, "unsupported_parameter", "max_tokens")
    name = "max_tokens" if body.get("max_completion_tokens") is None else "max_completion_tokens"
    return None if body.get(name) is None else _whole(body, name, 1, 1)


def _drawing(body: Mapping[str, Any], options: MockOptions) -> dict[str, Any]:
    stop = body.get("stop") or ()
    return {
        "n": 1 if "n" in options.without else _whole(body, "n", 1, 1, options.most_completions),
        "temperature": _temperature(body, options),
        "stop": (stop,) if isinstance(stop, str) else tuple(map(str, stop)),
        "seed": None if body.get("seed") is None else _whole(body, "seed", 0, None),
        "schema": _schema(body, options),
    }


def _temperature(body: Mapping[str, Any], options: MockOptions) -> float:
    value = body.get("temperature")
    if value is None:
        return 1.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2:
        raise Refusal(400, "Invalid 'temperature': expected a number from 0 to 2.", "invalid_value", "temperature")
    if options.is_reasoning and value != 1:
        message = (
            f"Unsupported value: 'temperature' does not support {value} with this model. "
            "Only the default (1) value is supported."
        )
        raise Refusal(400, message, "unsupported_value", "temperature")
    return float(value)


def _schema(body: Mapping[str, Any], options: MockOptions) -> Mapping[str, Any] | None:
    wanted = body.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, Mapping) else None
    if kind != "json_schema":
        return None
    if "schema" in options.without:
        message = "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."
        raise Refusal(400, message, None, "response_format")
    inner = wanted.get("json_schema") if isinstance(wanted, Mapping) else None
    schema = inner.get("schema") if isinstance(inner, Mapping) else None
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        message = "Invalid schema for response_format: expected one of type 'object'."
        raise Refusal(400, message, "invalid_json_schema", "response_format")
    return schema


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def _whole(body: Mapping[str, Any], name: str, default: int, low: int | None, high: int | None = None) -> int:
    value = body.get(name)
    if value is None:
        return default
    fits = isinstance(value, int) and not isinstance(value, bool)
    if not fits or (low is not None and value < low) or (high is not None and value > high):
        between = "" if low is None else f" from {low}" + ("" if high is None else f" to {high}")
        raise Refusal(400, f"Invalid '{name}': expected a whole number{between}.", "invalid_value", name)
    assert isinstance(value, int)
    return value
