"""The journal keeps every completion, and forgives a torn end but no other damage."""

import json
import math
import resource
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.elicitation.runs import sampling_of
from worldvaluesbench.asking._journal import (
    JournalLine,
    damage_note,
    lines_of,
    open_journal,
    read_journal,
    sound,
)
from worldvaluesbench.errors import RunError
from worldvaluesbench.prompts._request import Completion, Reply, Request, TokenChoice
from worldvaluesbench.runs._folder import JOURNAL

ASKED = Request("a1", "Q1", 0, "How important is family?", "sampled", ("1", "2"), sampling_of(), n=3, first_sample=2)
REPLY = Reply(
    ASKED, (Completion("1", "stop"), Completion('{"score": 2}\n', None), Completion("", "length")), (), (), 12, 7
)


def journal_of(folder: Path, *replies: Reply) -> bytes:
    with open_journal(folder) as journal:
        for reply in replies:
            journal.write(reply)
    return (folder / JOURNAL).read_bytes()


def test_a_reply_is_one_line_a_completion_in_the_documented_words(tmp_path: Path) -> None:
    whole = journal_of(tmp_path, REPLY).splitlines()
    lines = [json.loads(line) for line in whole]
    for line, content in zip(whole, lines, strict=True):
        before, _, seal = line.rpartition(b',"crc":')
        assert seal == f'"{zlib.crc32(before):08x}"}}'.encode()
        assert content.pop("run")
        assert content.pop("crc")
    assert lines == [
        {"id": "a1", "s": 2, "a": 0, "text": "1", "finish": "stop", "in": 12, "out": 7},
        {"id": "a1", "s": 3, "a": 0, "text": '{"score": 2}\n', "finish": None},
        {"id": "a1", "s": 4, "a": 0, "text": "", "finish": "length"},
    ]


def test_what_was_written_is_what_is_read(tmp_path: Path) -> None:
    tokens = (TokenChoice(" 4", {" 4": -0.25, "4": -2.0}), TokenChoice("\n", {}))
    other = replace(ASKED, request_id="b2", method="token_probs", n=1, first_sample=0)
    likelihood = replace(other, request_id="c3", method="option_likelihood")
    token_reply, option_reply = Reply(other, tokens=tokens), Reply(likelihood, option_logprobs=(-1.5, -2.125))
    journal_of(tmp_path, REPLY, token_reply, option_reply)
    *_, third, fourth, fifth = read_journal(tmp_path)
    assert third == JournalLine("a1", 4, 0, "", "length")
    assert fourth == JournalLine("b2", 0, 0, tokens=tokens)
    assert fifth == JournalLine("c3", 0, 0, logprobs=(-1.5, -2.125))
    assert [fourth, fifth] == lines_of(token_reply) + lines_of(option_reply)


@pytest.mark.parametrize("text", ["\u2028two\x85lines", "日本 4️⃣", 'half a pair \ud83d"', "\0\r\n\t\\", "x" * 200_000])
def test_any_text_survives(tmp_path: Path, text: str) -> None:
    journal_of(tmp_path, Reply(ASKED, (Completion(text), Completion("2"))))
    assert [line.text for line in read_journal(tmp_path)] == [text, "2"]
    journal_of(tmp_path, Reply(ASKED, (Completion("3"),)))
    assert [line.text for line in read_journal(tmp_path)] == [text, "2", "3"]


def test_a_failure_leaves_no_line(tmp_path: Path) -> None:
    assert journal_of(tmp_path, Reply(ASKED, failure="no answer within 120 s")) == b""


def test_without_a_journal_there_are_no_lines(tmp_path: Path) -> None:
    assert list(read_journal(tmp_path)) == []


def test_a_journal_torn_anywhere_keeps_its_whole_lines_and_can_be_gone_on_with(tmp_path: Path) -> None:
    whole = journal_of(tmp_path, REPLY)
    path = tmp_path / JOURNAL
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        # a line that has lost its newline only is a whole line
        expected = [line for line in whole[: length + 1].split(b"\n")[:-1] if line]
        assert len(list(read_journal(tmp_path))) == len(expected)
        assert path.read_bytes() == whole[:length], "a reader changes nothing"
        with open_journal(tmp_path):
            assert path.read_bytes() == b"".join(line + b"\n" for line in expected)
        appended = journal_of(tmp_path, Reply(ASKED, (Completion("last"),)))
        assert len(list(read_journal(tmp_path))) == len(expected) + 1 == appended.count(b"\n")


UNSEALED = [
    b'{"id":"a1","s":2,"a":0,"text":"1","finish":"stop","in":12,"out":7}\n',
    b'{"id":"a1","s":3,"a":0,"text":"2","finish":null}\n',
]
"""Lines as earlier versions wrote them."""


def test_lines_of_earlier_versions_are_read_and_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_bytes(b"".join(UNSEALED))
    assert [line.text for line in read_journal(tmp_path)] == ["1", "2"]
    journal_of(tmp_path, REPLY)
    assert [line.text for line in read_journal(tmp_path)] == ["1", "2", "1", '{"score": 2}\n', ""]


def test_after_a_line_with_a_checksum_one_without_is_damaged(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_bytes(journal_of(tmp_path, REPLY) + UNSEALED[0])
    damaged: list[int] = []
    assert len(list(read_journal(tmp_path, damaged))) == 3
    assert damaged == [4]


def test_a_last_line_that_ends_in_a_newline_was_not_torn_and_stays(tmp_path: Path) -> None:
    whole = journal_of(tmp_path, REPLY) + b'{"id": "a1", "s"\0\0\0\n'
    (tmp_path / JOURNAL).write_bytes(whole)
    damaged: list[int] = []
    assert len(list(read_journal(tmp_path, damaged))) == 3
    assert damaged == [4]
    assert journal_of(tmp_path) == whole


@pytest.mark.parametrize("length", [1, 3])
def test_every_flipped_byte_is_told_or_harmless(tmp_path: Path, length: int) -> None:
    """Whatever one byte becomes: the lines that are read are those written, and the loss of one is told."""
    other = replace(ASKED, request_id="b2", method="token_probs", n=1, first_sample=0)
    replies = [
        replace(REPLY, completions=REPLY.completions[:1]),
        Reply(other, tokens=(TokenChoice("4", {"4": -0.25, "x": -2.0}),), prompt_tokens=3),
        Reply(replace(other, method="option_likelihood", request_id="c3"), option_logprobs=(-1.5, -0.5)),
    ]
    whole = journal_of(tmp_path, *replies[:length])
    written = list(read_journal(tmp_path))
    for place, byte in enumerate(whole):
        for changed in {byte ^ 1, byte ^ 4, byte ^ 32, byte ^ 128, *b'\n "}0'} - {byte}:
            (tmp_path / JOURNAL).write_bytes(whole[:place] + bytes([changed]) + whole[place + 1 :])
            damaged: list[int] = []
            read = read_to_the_end(tmp_path, damaged)
            if read is None:
                continue  # refused with what is wrong
            assert all(line in written for line in read)
            assert len(read) == length or damaged or place == len(whole) - 1, (place, changed)


def read_to_the_end(folder: Path, damaged: list[int]) -> list[JournalLine] | None:
    try:
        return list(read_journal(folder, damaged))
    except RunError as error:
        if "none of its" not in str(error):
            raise
        return None


@pytest.mark.parametrize("place", [-2, -10, -30, -120])
def test_a_flipped_byte_of_the_last_line_is_damage_and_nothing_is_cut_off(tmp_path: Path, place: int) -> None:
    whole = bytearray(journal_of(tmp_path, REPLY))
    whole[place] ^= 1
    (tmp_path / JOURNAL).write_bytes(whole)
    with open_journal(tmp_path):
        assert (tmp_path / JOURNAL).read_bytes() == whole
    damaged: list[int] = []
    assert len(list(read_journal(tmp_path, damaged))) == 2
    assert damaged in ([3], [2])


def test_token_counts_out_of_range_are_unknown(tmp_path: Path) -> None:
    for place, odd in enumerate([-1, 2**31, 10**30, True, 1.5, float("nan"), "12", None]):
        folder = tmp_path / str(place)
        folder.mkdir()
        reply = sound(replace(REPLY, prompt_tokens=odd, completion_tokens=odd))  # type: ignore[arg-type]
        assert (reply.prompt_tokens, reply.completion_tokens) == (None, None)
        journal_of(folder, reply)
        assert next(read_journal(folder)).prompt_tokens is None
    assert sound(replace(REPLY, prompt_tokens=np.int64(12))) == REPLY  # type: ignore[arg-type]
    (tmp_path / JOURNAL).write_bytes(UNSEALED[0].replace(b"12", b"1e300"))  # as an earlier version wrote it
    assert [(line.text, line.prompt_tokens) for line in read_journal(tmp_path)] == [("1", None)]


TOKENS = replace(ASKED, method="token_probs", n=1)
OPTIONS = replace(ASKED, method="option_likelihood", n=1)


@pytest.mark.parametrize(
    "odd",
    [
        Reply(ASKED, (Completion("1"), Completion(None))),  # type: ignore[arg-type]
        Reply(ASKED, (Completion(b"1"),)),  # type: ignore[arg-type]
        Reply(ASKED, (Completion("1", 3),)),  # type: ignore[arg-type]
        Reply(TOKENS, tokens=(TokenChoice(1, {"1": -1.0}),)),  # type: ignore[arg-type]
        Reply(TOKENS, tokens=(TokenChoice("1", {1: -1.0}),)),  # type: ignore[dict-item]
    ],
)
def test_what_a_reader_would_refuse_is_a_failure_and_not_written(tmp_path: Path, odd: Reply) -> None:
    assert str(sound(odd).failure).startswith("the reply holds something that is not a text")
    assert journal_of(tmp_path, sound(odd)) == b""


def test_impossible_options_and_numbers_of_numpy_are_journalled(tmp_path: Path) -> None:
    given = Reply(OPTIONS, option_logprobs=(np.float32(-0.5), -math.inf))  # type: ignore[arg-type]
    top = Reply(TOKENS, tokens=(TokenChoice("1", {"1": np.float32(-0.5), "2": -math.inf}),))  # type: ignore[dict-item]
    journal_of(tmp_path, sound(given), sound(top))
    options, tokens = read_journal(tmp_path)
    assert options.logprobs == (-0.5, -math.inf)
    assert tokens.tokens == (TokenChoice("1", {"1": -0.5, "2": -math.inf}),)


@pytest.mark.parametrize(
    "damaged",
    [b"", b"{", b"[1]", b"null", b"\xff\xfe", b'{"id": "a1", "s": 0, "a": 0}', b'{"id": 1, "s": 0, "a": 0, "text": ""}',
     b'{"id": "a1", "s": "0", "a": 0, "text": "1"}', b'{"id": "a1", "s": 0, "a": 0, "tokens": [3]}',
     b'{"id": "a1", "s": 0, "a": 0, "logprobs": ["x"]}', b'{"id": "a1", "s": -1, "a": 0, "text": "1"}',
     b'{"id": "a1", "s": 32768, "a": 0, "text": "1"}', b'{"id": "a1", "s": 0, "a": 256, "text": "1"}',
     b'{"id": "a1", "s": 0, "a": 0, "logprobs": [NaN]}', b'{"id": "a1", "s": true, "a": 0, "text": "1"}'],
)  # fmt: skip
def test_damage_is_told_with_its_line_and_the_rest_is_read(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / JOURNAL).write_bytes(UNSEALED[0] + damaged + b"\n" + UNSEALED[1])
    with pytest.raises(RunError, match=r"journal\.jsonl line 2: is damaged; expected a completion with its checksum"):
        list(read_journal(tmp_path))
    told: list[int] = []
    assert [line.text for line in read_journal(tmp_path, told)] == ["1", "2"]
    assert told == [2]
    assert damage_note(told) == "journal.jsonl line 2 is damaged and left out; what it held is asked for again."


def test_a_journal_that_was_written_anew_by_something_else_is_refused(tmp_path: Path) -> None:
    """Rather than asked for once more from its beginning, and paid for."""
    lines = [json.loads(line) for line in journal_of(tmp_path, REPLY).splitlines()]
    (tmp_path / JOURNAL).write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(RunError, match="none of its 3 lines is whole, so something has written it anew"):
        list(read_journal(tmp_path, []))


def test_line_ends_of_another_system_are_no_damage(tmp_path: Path) -> None:
    whole = journal_of(tmp_path, REPLY)
    expected = list(read_journal(tmp_path))
    (tmp_path / JOURNAL).write_bytes(whole.replace(b"\n", b"\r\n"))
    assert list(read_journal(tmp_path)) == expected


def test_a_second_writer_is_refused_and_readers_are_free(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        journal.write(REPLY)
        with pytest.raises(RunError, match="another process is writing to this run"), open_journal(tmp_path):
            pass
        assert len(list(read_journal(tmp_path))) == 3
    with open_journal(tmp_path):
        pass


def test_a_full_disk_is_one_line_and_loses_only_what_had_no_room(tmp_path: Path) -> None:
    size = len(journal_of(tmp_path, REPLY))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with open_journal(tmp_path) as journal:
            # as a full disk does, the limit lets a part of the line through
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 130, limits[1]))
            with pytest.raises(RunError, match=r"cannot be written \(.+\); everything received before is kept") as told:
                journal.write(replace(REPLY, request=replace(ASKED, first_sample=9)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(told.value)
    assert (tmp_path / JOURNAL).stat().st_size == size + 130
    assert [line.sample for line in read_journal(tmp_path)] == [2, 3, 4, 9]
    journal_of(tmp_path, replace(REPLY, request=replace(ASKED, first_sample=10)))
    assert [line.sample for line in read_journal(tmp_path)] == [2, 3, 4, 9, 10, 11, 12]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).mkdir()
    with pytest.raises(RunError, match=r"journal\.jsonl: cannot be written"), open_journal(tmp_path):
        pass


def test_all_lines_of_a_reply_are_one_write(tmp_path: Path) -> None:
    """What another process can see of the journal is always whole replies."""
    seen = []
    with open_journal(tmp_path) as journal:
        for _ in range(50):
            journal.write(REPLY)
            seen.append(journal.path.stat().st_size)
    assert {size % seen[0] for size in seen} == {0}
