"""What a server says in words of its own, made safe to repeat: printable, short, without the prompt and the key.

Servers quote prompts in their error messages, and prompts hold respondents' attributes. So of a message every word is
left out that stands in the prompt, in whole or in part, but for those words that any message about an API has; what
looks like an id is left out too. A message of which little is left is not repeated at all.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

MOST_SAID = 200
"""No more characters of a message are repeated."""

MOST_NAMED = 120
"""No name of a model has more characters."""

REDACTED = "[key]"

_MOST_READ = 2000
_GAP = "…"
_WORD = re.compile(r"\w+")
_GAPS = re.compile(rf"{_GAP}(?:\W*{_GAP})+")
_ID = re.compile(r"(?=(?:\D*\d){3})\w{12,}|[0-9a-f]{8,}")
_COMMON = frozenset(
    (
        "a", "all", "allow", "allowed", "an", "and", "are", "argument", "as", "at", "back", "bad", "be", "been", "body",
        "but", "by", "call", "can", "cannot", "chat", "choice", "choices", "completion", "completions", "context",
        "could", "does", "doesn", "don", "error", "expected", "failed", "for", "format", "found", "from", "given",
        "greater", "has", "have", "in", "input", "internal", "invalid", "is", "it", "its", "key", "length", "less",
        "limit", "list", "log", "longer", "many", "max", "maximum", "message", "messages", "missing", "model", "more",
        "most", "must", "name", "no", "not", "number", "of", "on", "one", "only", "or", "out", "output", "parameter",
        "parameters", "please", "prompt", "prompts", "range", "request", "requests", "required", "response", "server",
        "set", "should", "stop", "string", "supported", "support", "supports", "temperature", "text", "than", "that",
        "the", "this", "to", "token", "tokens", "too", "type", "unsupported", "use", "used", "value", "was", "when",
        "while", "with", "without", "you", "your",
    )
)  # fmt: skip
"""Words that say nothing of a respondent, and much of what a server does not take."""


def said_of(error: Mapping[str, Any], sent: Mapping[str, Any]) -> str:
    """The message of an error body as it may be repeated to whoever sent a body; "" where nothing may."""
    prompts = "\n".join(prompts_in(sent)).casefold()
    asked = set(_WORD.findall(prompts))
    telling = {word for word in asked if len(word) > 3 and word not in _COMMON}

    def shown(match: re.Match[str]) -> str:
        word = match[0].casefold()
        if word in _COMMON or (len(word) == 1 and word.isascii()):
            return match[0]
        is_part = word in (asked if len(word) < 4 and word.isascii() else prompts)
        return _GAP if is_part or _ID.fullmatch(word) or any(part in word for part in telling) else match[0]

    words = _WORD.sub(shown, printable(message_of(error), _MOST_READ))
    n_hidden = words.count(_GAP)
    if n_hidden and len(_WORD.findall(words)) < 2 * n_hidden:
        return ""
    return _shortened(_GAPS.sub(_GAP, words), MOST_SAID)


def message_of(error: Mapping[str, Any]) -> str:
    """The message of an error body, whatever shape it has; never to be repeated as it is."""
    return " ".join(_texts([error.get(name) for name in ("message", "detail", "msg", "error_msg")]))[:_MOST_READ]


def model_named(body: Mapping[str, Any]) -> str | None:
    """The name under which a server says that it answered, printable and short; None where it says none."""
    name = body.get("model")
    return _shortened(printable(name, _MOST_READ), MOST_NAMED) or None if isinstance(name, str) else None


def printable(text: str, most: int) -> str:
    """A text on one line, without what cannot be printed, and no more of it than so many characters."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text[:most]).split())


def prompts_in(sent: Mapping[str, Any]) -> list[str]:
    """The prompts of a body."""
    if "messages" in sent:
        return [str(message["content"]) for message in sent["messages"]]
    prompt = sent.get("prompt", "")
    return [prompt] if isinstance(prompt, str) else list(prompt)


class Redactor:
    """Takes a key out of whatever a server sent back: as it is, percent-encoded, or within base64 (`Basic`).

    What is too short or too plain to be a secret ("none", "EMPTY") is no key, and stays.
    """

    def __init__(self, key: str | None) -> None:
        is_secret = key is not None and (len(key) >= 16 or (len(key) >= 6 and not key.isalpha()))
        forms = sorted(set(_forms(key)), key=len, reverse=True) if key is not None and is_secret else []
        self._pattern = re.compile("|".join(map(re.escape, forms)), re.IGNORECASE) if forms else None
        self._raw = re.compile(self._pattern.pattern.encode(), re.IGNORECASE) if self._pattern else None

    def is_in(self, raw: bytes) -> bool:
        """Whether the key may be in the bytes of a JSON text, escapes included."""
        if self._raw is None:
            return False
        return b"\\u00" in raw or b"\\/" in raw or self._raw.search(raw) is not None

    def clean(self, content: Any) -> Any:
        """The content of a JSON text without the key."""
        if self._pattern is None:
            return content
        if isinstance(content, str):
            return self._pattern.sub(REDACTED, content)
        if isinstance(content, list):
            return [self.clean(part) for part in content]
        if isinstance(content, dict):
            return {self.clean(name): self.clean(value) for name, value in content.items()}
        return content


def _forms(key: str) -> Iterator[str]:
    yield from (key, quote(key, safe=""), quote_plus(key))
    for n_before in range(3):  # how base64 writes the key depends on how many bytes stand before it
        encoded = base64.b64encode(bytes(n_before) + key.encode()).decode()
        own = encoded[-(-n_before * 8 // 6) : (n_before + len(key)) * 8 // 6]
        yield from (own, own.replace("+", "-").replace("/", "_"))


def _texts(found: object) -> Iterator[str]:
    """The texts within a value: a message, or a list of objects with messages and where they are about."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, list):
        for part in found[:20]:
            yield from _texts(part)
    elif isinstance(found, Mapping):
        yield from _texts([found.get(name) for name in ("loc", "message", "msg")])


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
