"""The journal keeps every completion, and forgives a torn end but no other damage."""

import json
import resource
from dataclasses import replace
from pathlib import Path

import pytest

from tests.elicitation.runs import sampling_of
from worldvaluesbench.elicitation.journal import JOURNAL, JournalLine, open_journal, read_journal, reply_of
from worldvaluesbench.elicitation.request import Completion, Reply, Request, TokenChoice
from worldvaluesbench.errors import RunError

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
    lines = [json.loads(line) for line in journal_of(tmp_path, REPLY).splitlines()]
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
    assert reply_of(other, fourth) == token_reply
    assert reply_of(likelihood, fifth) == option_reply


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


def test_a_torn_line_that_ends_in_a_newline_is_torn_too(tmp_path: Path) -> None:
    whole = journal_of(tmp_path, REPLY)
    (tmp_path / JOURNAL).write_bytes(whole + b'{"id": "a1", "s"\0\0\0\n')
    assert len(list(read_journal(tmp_path))) == 3
    assert journal_of(tmp_path) == whole


@pytest.mark.parametrize(
    "damaged",
    [b"", b"{", b"[1]", b"null", b"\xff\xfe", b'{"id": "a1", "s": 0, "a": 0}', b'{"id": 1, "s": 0, "a": 0, "text": ""}',
     b'{"id": "a1", "s": "0", "a": 0, "text": "1"}', b'{"id": "a1", "s": 0, "a": 0, "tokens": [3]}',
     b'{"id": "a1", "s": 0, "a": 0, "logprobs": ["x"]}', b'{"id": "a1", "s": -1, "a": 0, "text": "1"}',
     b'{"id": "a1", "s": 0, "a": 0, "text": "1", "in": "12"}'],
)  # fmt: skip
def test_damage_before_the_end_is_refused_with_its_line(tmp_path: Path, damaged: bytes) -> None:
    first, second, third = journal_of(tmp_path, REPLY).splitlines()
    (tmp_path / JOURNAL).write_bytes(b"\n".join([first, damaged, second, third, b""]))
    with pytest.raises(RunError, match=r"journal\.jsonl line 2: is damaged; expected a JSON object"):
        list(read_journal(tmp_path))


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
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 90, limits[1]))
            with pytest.raises(RunError, match=r"cannot be written \(.+\); everything received before is kept") as told:
                journal.write(replace(REPLY, request=replace(ASKED, first_sample=9)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(told.value)
    assert (tmp_path / JOURNAL).stat().st_size == size + 90
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
