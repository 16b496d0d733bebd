"""`alongside map`: every exit code, every kind of input, what is written where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Call

SERIAL = ("--backend", "serial")


def values(out: str) -> list[object]:
    return [json.loads(line) for line in out.splitlines()]


# --- 0: all succeeded ---


def test_lines_of_standard_input(inside: Call) -> None:
    done = inside("map", "tools:square", *SERIAL, stdin="1\n2\n3\n")
    assert (done.code, values(done.out)) == (0, [1, 4, 9])
    assert done.err.startswith("3 tasks in ")


def test_a_dash_is_standard_input(inside: Call) -> None:
    assert values(inside("map", "tools:shout", "-", *SERIAL, stdin="a\nb").out) == ["A", "B"]


def test_only_the_newline_is_stripped(inside: Call) -> None:
    assert values(inside("map", "tools:shout", *SERIAL, stdin=" a \r\n\n").out) == [" A ", ""]


def test_no_input_gives_no_output(inside: Call) -> None:
    done = inside("map", "tools:square", *SERIAL, stdin="")
    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("0 tasks in ")


def test_several_files_one_after_the_other(inside: Call, folder: Path) -> None:
    (folder / "one.txt").write_text("1\n2\n")
    (folder / "two.txt").write_text("3")
    assert values(inside("map", "tools:square", "one.txt", "two.txt", *SERIAL).out) == [1, 4, 9]


def test_json_lines_by_ending(inside: Call, folder: Path) -> None:
    (folder / "data.jsonl").write_text('4\n\n{"a": [1]}\n')
    assert values(inside("map", "json:dumps", "data.jsonl", *SERIAL).out) == ["4", '{"a": [1]}']


def test_json_lines_by_option(inside: Call) -> None:
    assert values(inside("map", "math:sqrt", "--input-format", "jsonl", *SERIAL, stdin="4\n9\n").out) == [2.0, 3.0]


def test_csv_rows_are_dictionaries_and_may_hold_line_breaks(inside: Call, folder: Path) -> None:
    (folder / "data.csv").write_text('\ufeffprice,count,note\n3,2,"two\nlines"\n5,1,x\n', encoding="utf-8")
    assert values(inside("map", "tools:row_total", "data.csv", *SERIAL).out) == [6, 5]
    assert values(inside("map", "json:dumps", "data.csv", *SERIAL).out)[0] == json.dumps(
        {"price": "3", "count": "2", "note": "two\nlines"}
    )


def test_files_as_items(inside: Call, folder: Path) -> None:
    (folder / "a.bin").write_bytes(b"12345")
    (folder / "b.bin").write_bytes(b"1")
    assert values(inside("map", "tools:size", "a.bin", "b.bin", "--files", *SERIAL).out) == [5, 1]


def test_paths_from_standard_input(inside: Call, folder: Path) -> None:
    (folder / "a.bin").write_bytes(b"12345")
    assert values(inside("map", "tools:size", "--files", *SERIAL, stdin="a.bin\n").out) == [5]


def test_glob_crosses_folders_and_is_sorted(inside: Call, folder: Path) -> None:
    for name in ("b.dat", "a.dat", "deep/er/c.dat"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"1")
    assert values(inside("map", "tools:shout", "--glob", "**/*.dat", *SERIAL).out) == [
        "A.DAT",
        "B.DAT",
        "DEEP/ER/C.DAT",
    ]


def test_glob_with_a_format_reads_the_files(inside: Call, folder: Path) -> None:
    (folder / "a.dat").write_text("2\n3\n")
    assert values(inside("map", "tools:square", "--glob", "*.dat", "--input-format", "lines", *SERIAL).out) == [4, 9]


def test_output_and_quiet(inside: Call, folder: Path) -> None:
    done = inside("map", "tools:shout", "--output", "out.jsonl", "--quiet", *SERIAL, stdin="ä\n")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert (folder / "out.jsonl").read_text(encoding="utf-8") == '"Ä"\n'


def test_an_async_function(inside: Call) -> None:
    assert values(inside("map", "tools:later", "--backend", "asyncio", stdin="ab\n").out) == ["ba"]


def test_dotted_attributes(inside: Call) -> None:
    assert values(inside("map", "tools:Shop.price", *SERIAL, stdin="abc\n").out) == [3]


def test_unordered_gives_every_result(inside: Call) -> None:
    done = inside("map", "tools:square", "--unordered", "--backend", "threads", "-w", "2", stdin="1\n2\n3\n")
    assert (done.code, sorted(map(int, done.out.split()))) == (0, [1, 4, 9])


def test_the_closing_line_names_the_backend_and_the_reason(outside: Call) -> None:
    done = outside("map", "tools:square", "--backend", "serial", stdin="1\n")
    assert "1 task in " in done.err
    assert "with serial" in done.err
    assert "it was asked for" in done.err


# --- 1: some failed ---


def test_failures_are_reported_and_the_rest_goes_on(inside: Call) -> None:
    done = inside("map", "tools:square", *SERIAL, stdin="1\nx\n3\n")
    assert (done.code, values(done.out)) == (1, [1, 9])
    assert "Failed: task 1, 'x': ValueError: invalid literal" in done.err
    assert "3 tasks, 1 failed, in " in done.err


def test_failures_in_a_file(inside: Call, folder: Path) -> None:
    inside("map", "tools:square", "--failures", "bad.jsonl", "--retries", "1", *SERIAL, stdin="1\nx\n")
    assert [json.loads(line) for line in (folder / "bad.jsonl").read_text().splitlines()] == [
        {"index": 1, "item": "x", "error": "ValueError: invalid literal for int() with base 10: 'x'", "attempts": 2}
    ]


def test_failed_items_can_be_run_again_from_the_file(inside: Call, folder: Path) -> None:
    (folder / "data.csv").write_text("price,count\n1,x")
    inside("map", "tools:row_total", "data.csv", "--failures", "bad.jsonl", *SERIAL)
    record = json.loads((folder / "bad.jsonl").read_text())
    again = inside("map", "json:dumps", "--input-format", "jsonl", *SERIAL, stdin=json.dumps(record["item"]))
    assert json.loads(str(values(again.out)[0])) == {"price": "1", "count": "x"}


def test_only_the_first_failures_are_shown_all_are_counted_and_kept(inside: Call, folder: Path) -> None:
    done = inside("map", "tools:square", "--failures", "bad.jsonl", *SERIAL, stdin="x\n" * 50)
    assert done.err.count("Failed: ") == 20
    assert "Further failures are counted but not shown." in done.err
    assert "50 tasks, 50 failed" in done.err
    assert len((folder / "bad.jsonl").read_text().splitlines()) == 50


def test_on_error_return_writes_null_in_its_place(inside: Call) -> None:
    done = inside("map", "tools:square", "--on-error", "return", *SERIAL, stdin="1\nx\n3\n")
    assert (done.code, values(done.out)) == (1, [1, None, 9])


def test_on_error_raise_stops_at_the_first(inside: Call) -> None:
    done = inside("map", "tools:square", "--on-error", "raise", *SERIAL, stdin="1\nx\n3\ny\n")
    assert (done.code, values(done.out)) == (1, [1])
    assert done.err.count("Failed: ") == 1


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("function", ["as_set", "not_a_number"])
def test_a_result_that_is_not_json_is_a_failure(inside: Call, function: str, ordered: bool) -> None:
    done = inside("map", f"tools:{function}", *SERIAL, *([] if ordered else ["--unordered"]), stdin="a\n")
    assert (done.code, done.out) == (1, "")
    assert "is not JSON" in done.err
    assert "return a dict, list, text" in done.err
    assert ("task 0, 'a'" in done.err) == ordered


def test_text_where_numbers_were_meant_gets_a_hint(inside: Call) -> None:
    done = inside("map", "math:sqrt", *SERIAL, stdin="4\n")
    assert done.code == 1
    assert "--input-format jsonl" in done.err


def test_long_items_and_many_lines_of_error_become_one_line(inside: Call) -> None:
    done = inside("map", "tools:square", *SERIAL, stdin="x" * 500 + "\n")
    line = next(line for line in done.err.splitlines() if line.startswith("Failed"))
    assert len(line) < 450
    assert "…" in line


# --- 2: usage ---


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("tools:sqare", "'tools' has no function 'sqare'. Did you mean square?"),
        ("tools:zzz", "It has "),
        ("tool:square", "There is no module 'tool'. Did you mean "),  # `toolz` may be installed
        ("tools.square", "Did you mean tools:square?"),
        ("tools.py", "names no function"),
        ("tool.py:square", "There is no file 'tool.py'. Did you mean tools.py?"),
        ("tools:answer", "'tools:answer' is an int, which cannot be called"),
        ("tools:Shop.prize", "Did you mean price?"),
        ("to-ols:square", "is not a module's name"),
        (":square", "names no function"),
        ("os.pth:join", "There is no module 'os.pth'"),
    ],
)
def test_a_function_that_is_not_there(inside: Call, spec: str, says: str) -> None:
    done = inside("map", spec, stdin="1\n")
    assert (done.code, done.out) == (2, "")
    assert says in done.err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import nowhere_to_be_found\n", "its import 'nowhere_to_be_found' is not installed"),
        ("1 / 0\n", "ZeroDivisionError: division by zero (broken.py, line 1)"),
        ("def f(:\n", "SyntaxError: invalid syntax (broken.py, line 1)"),
    ],
)
@pytest.mark.parametrize("spec", ["broken:f", "broken.py:f"])
def test_a_module_that_cannot_be_imported(inside: Call, folder: Path, text: str, says: str, spec: str) -> None:
    (folder / "broken.py").write_text(text)
    done = inside("map", spec, stdin="1\n")
    assert done.code == 2
    assert says in done.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.txt"], "There is no file 'nowhere.txt'"),
        (["."], "'.' is a folder"),
        (["--glob", "*.nothing"], "Nothing matches '*.nothing'"),
        (["--files", "nowhere.txt"], "There is no file 'nowhere.txt'"),
        (["--output", "no/such/folder/x"], "Cannot write 'no/such/folder/x'"),
        (["--worker", "2"], "--workers"),
        (["--workers", "0"], "--workers"),
        (["--backend", "thread"], "did you mean 'threads'?"),
        (["--timeout", "-1"], "timeout"),
        (["--on-error", "explode"], "--on-error"),
        (["tools.py", "--output", "./tools.py"], "already read or written"),
        (["--output", "same", "--failures", "same"], "already read or written"),
    ],
)
def test_a_wrong_option_or_file(inside: Call, folder: Path, arguments: list[str], says: str) -> None:
    done = inside("map", "tools:shout", *arguments, stdin="1\n")
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert "Traceback" not in done.err
    assert (folder / "tools.py").stat().st_size > 0


def test_input_that_breaks_on_the_way_stops_there_and_keeps_what_was_done(inside: Call) -> None:
    done = inside("map", "math:sqrt", "--input-format", "jsonl", *SERIAL, stdin="4\n{oops\n9\n")
    assert (done.code, values(done.out)) == (2, [2.0])
    assert "Line 2 of standard input is not JSON (Expecting property name" in done.err
    assert "at column 2)" in done.err  # and no second number of a line
    assert "line 1" not in done.err


def test_input_that_is_not_text(inside: Call, folder: Path) -> None:
    (folder / "data.txt").write_bytes(b"ok\n\xff\xfe\n")
    done = inside("map", "tools:shout", "data.txt", *SERIAL)
    assert done.code == 2
    assert "data.txt is not UTF-8 text" in done.err


# --- help ---


def test_help_tells_the_exit_codes(inside: Call) -> None:
    done = inside("map", "--help")
    assert done.code == 0
    for told in ("0 all tasks succeeded", "1 some tasks failed", "2 the command cannot be run", "130 interrupted"):
        assert told in done.out


def test_every_command_is_listed_and_has_help(inside: Call) -> None:
    listed = inside("--help").out
    for command in ("map", "advise", "compare", "doctor", "guide"):
        assert command in listed
        assert inside(command, "--help").code == 0


def test_version(inside: Call) -> None:
    import alongside

    assert inside("--version").out == f"alongside {alongside.__version__}\n"


def test_a_warning_that_teaches_is_a_line_without_a_place_in_typer(outside: Call, folder: Path) -> None:
    (folder / "keeps.py").write_text("found = []\ndef keep(x):\n    found.append(x)\n")
    done = outside("map", "keeps.py:keep", "--backend", "processes", "--quiet", stdin="1\n")
    assert done.code == 0
    assert done.err.startswith("Warning: changes lost: keep appends to the list found (keeps.py:3).")
    assert len(done.err.splitlines()) == 1
