"""What is wrong with a file is told with its line, its place and the way out; all of it at once."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aioclock import AioClock
from aioclock.exceptions import BaseAioClockException, ConfigurationError

Problems = Callable[..., tuple[str, ...]]

# Each is a line of a task whose other lines are right, and what is said of it.
IN_A_TASK = [
    ("nmae: b", "tasks.0.nmae: unknown key; did you mean 'name'?"),
    ("zzz: b", "tasks.0.zzz: unknown key; the keys here are name, call, command, env, cwd, stdin, trigger, timeout"),
    ("timeout: 0", "tasks.0.timeout: timeout must be a positive number of seconds, got 0"),
    ("timeout: '5'", "tasks.0.timeout: timeout must be a positive number of seconds, got '5'"),
    ("timeout: true", "tasks.0.timeout: timeout must be a positive number of seconds, got True"),
    ("grace: -1", "tasks.0.grace: grace must be a positive number of seconds, got -1; with 0"),
    (
        "overlap: skipp",
        "tasks.0.overlap: overlap must be 'skip', 'allow', 'queue' or 'cancel', got 'skipp'; did you mean",
    ),
    ("overlap: {policy: x}", "tasks.0.overlap.policy: overlap must be 'skip'"),
    ("overlap: {policy: queue, limit: 0}", "tasks.0.overlap.limit: limit must be a whole number, 1 or more, got 0"),
    ("overlap: {limit: 2}", "tasks.0.overlap: limit must be left out for overlap 'skip', got 2"),
    ("overlap: {polizy: skip}", "tasks.0.overlap.polizy: unknown key; did you mean 'policy'?"),
    ("overlap: [skip]", "tasks.0.overlap: overlap must be 'skip', 'allow', 'queue' or 'cancel', got ['skip']"),
    ("retry: 3", "tasks.0.retry: retry must be a mapping such as {attempts: 3}, got 3"),
    ("retry: {attempts: 0}", "tasks.0.retry.attempts: attempts must be a whole number, 1 or more, got 0"),
    (
        "retry: {outlive_tick: yes}",
        "tasks.0.retry.outlive_tick: outlive_tick must be True or False, got 'yes'; write true",
    ),
    ("retry: {on: OSErr}", "tasks.0.retry.on: there is no built-in error 'OSErr'; did you mean 'OSError'"),
    ("retry: {on: [zzz]}", "tasks.0.retry.on.0: there is no built-in error 'zzz'; name any other like 'pkg.mod:Error'"),
    ("retry: {on: [OSError, print]}", "tasks.0.retry.on: on must be exception classes"),
    ("retry: {on: KeyboardInterrupt}", "tasks.0.retry.on: on must be subclasses of Exception, got KeyboardInterrupt"),
    ("retry: {on: []}", "tasks.0.retry.on: on must name at least one exception class"),
    ("retry: {on: 5}", "tasks.0.retry.on: an error class must be text, got 5"),
    ("retry: {on: ['shop:Nope']}", "tasks.0.retry.on.0: 'shop' has no 'Nope'"),
    ("jitter: {stable: true}", "tasks.0.jitter: seconds is missing"),
    ("jitter: {seconds: -1}", "tasks.0.jitter.seconds: jitter must be a number of seconds, 0 or more, got -1"),
    ("jitter: .nan", "tasks.0.jitter: jitter must be a number of seconds, 0 or more, got nan"),
    ("pause_after_failures: 1.5", "tasks.0.pause_after_failures: pause_after_failures must be a whole number"),
    (
        "executor: proces",
        "tasks.0.executor: executor must be 'loop', 'thread' or 'process', got 'proces'; did you mean",
    ),
    ("executor: thread", "tasks.0: an async function runs on the event loop, not in a thread; leave executor out"),
    ("command: [ls]", "tasks.0: both call and command are given; a task has one of them"),
    ("env: {A: b}", "tasks.0.env: env goes with command, not with call"),
    ("cwd: /", "tasks.0.cwd: cwd goes with command, not with call"),
    ("stdin: x", "tasks.0.stdin: stdin goes with command, not with call"),
]

TRIGGERS = [
    ("{type_: EVERY, hours: []}", ".hours: input should be a valid number, got []"),
    ("{type_: EVERY, seconds: [5]}", ".seconds: input should be a valid number, got [5]"),
    ("5", ": a trigger must be a mapping, got 5"),
    ("{}", ": type_ is missing; it is one of FOREVER, ONCE, EVERY"),
    ("{type: EVERY, seconds: 5}", ".type: unknown key; did you mean 'type_'?"),
    (
        "{type_: every, seconds: 5}",
        ".type_: a trigger's type_ is one of FOREVER, ONCE, EVERY, ON_START_UP, ON_SHUT_DOWN,",
    ),
    ("{type_: [], seconds: 5}", ".type_: a trigger's type_ is one of"),
    ("{type_: EVERY}", ": no unit is given; set at least one of seconds, minutes, hours, days, weeks"),
    ("{type_: EVERY, secnds: 5, hours: 1}", ".secnds: unknown key; did you mean 'seconds'?"),
    ("{type_: ONCE, seconds: 5}", ".seconds: unknown key; the keys here are type_"),
    ("{type_: EVERY, seconds: -5}", ".seconds: input should be greater than or equal to 0, got -5"),
    ("{type_: EVERY, seconds: '5'}", ".seconds: input should be a valid number, got '5'"),
    ("{type_: EVERY, seconds: true}", ".seconds: input should be a valid number, got True"),
    ("{type_: EVERY, seconds: 1:30}", ".seconds: input should be a valid number, got '1:30'; a time of day is written"),
    ("{type_: EVERY, seconds: .inf}", ".seconds: input should be a finite number, got inf"),
    ("{type_: EVERY, seconds: 1, mode: fixd}", ".mode: input should be 'fixed_rate' or 'fixed_delay', got 'fixd'"),
    ("{type_: EVERY, seconds: 1e-9}", ": the period of {'seconds': 1e-09} is too short"),
    ("{type_: EVERY, seconds: 1, max_loop_count: 0}", ".max_loop_count: input should be greater than 0, got 0"),
    (
        "{type_: EVERY, seconds: 1, expected_trigger_time: null}",
        ".expected_trigger_time: unknown key; aioclock fills it",
    ),
    ("{type_: AT, hour: 9}", ": tz is missing"),
    ("{type_: AT, hour: 9, tz: Berlin}", ".tz: unknown time zone 'Berlin'; did you mean 'Europe/Berlin'?"),
    ("{type_: AT, hour: 24, tz: UTC}", ".hour: input should be less than or equal to 23, got 24"),
    (
        "{type_: AT, hour: 9:30, tz: UTC}",
        ".hour: input should be a valid integer, got '9:30'; a time of day is written",
    ),
    ("{type_: AT, at: 10:30, tz: UTC}", ".at: input should be 'every day', 'every monday',"),
    ("{type_: AT, at: every munday, tz: UTC}", ".at: input should be 'every day', 'every monday',"),
    ("{type_: CRON, cron: '* * *', tz: UTC}", ".cron: invalid cron expression '* * *'"),
    ("{type_: OR}", ": triggers is missing"),
    ("{type_: OR, triggers: []}", ".triggers: list should have at least 1 item after validation, not 0, got []"),
    ("{type_: OR, triggers: {type_: ONCE}}", ".triggers: input should be a valid list, got {'type_': 'ONCE'}"),
    ("{type_: OR, triggers: [5]}", ".triggers.0: a trigger must be a mapping, got 5"),
    (
        "{type_: OR, triggers: [{type_: ONCE}, {type_: EVERY, seconds: x}]}",
        ".triggers.1.seconds: input should be a valid",
    ),
    ("{type_: OR, triggers: [{type_: OR, triggers: [{type_: AT}]}]}", ".triggers.0.triggers.0: tz is missing"),
    ("{type_: EVERY, seconds: 1, triggers: [{type_: X}]}", ".triggers: unknown key; the keys here are"),
]

CALLS = [
    ("5", "a function must be text, got 5; put it in quotes"),
    ("shop.send", "a function is named like 'pkg.mod:name', got 'shop.send'"),
    ("'shop:'", "a function is named like 'pkg.mod:name', got 'shop:'"),
    ("shop:send()", "a function is named like 'pkg.mod:name', got 'shop:send()'"),
    ("shpo:send", "there is no module 'shpo'; did you mean 'shop'?"),
    ("shop.x:send", "there is no module 'shop.x'"),
    ("os.pth:join", "there is no module 'os.pth'"),
    ("email.mine.text:x", "there is no module 'email.mine'; did you mean 'mime'"),
    ("shop:sned", "'shop' has no 'sned'; did you mean 'send'?"),
    ("shop:Mails.srot", "'shop' has no 'Mails.srot'; did you mean 'sort'?"),
    ("shop:number", "'shop:number' is no function but 5"),
    ("broken:x", "importing 'broken' failed: ZeroDivisionError: division by zero"),
    ("ends:x", "importing 'ends' failed: SystemExit: 3"),
    ("needs:x", "importing 'needs' failed: ModuleNotFoundError: No module named 'nothing_like_it'"),
]

TOPS = [
    ("5", "1: the file must be a mapping, got 5"),
    ("", "1: the file is empty; it needs tasks or groups"),
    ("# a comment", "1: the file is empty; it needs tasks or groups"),
    ("shutdown_timeout: -1", "1: shutdown_timeout: shutdown_timeout must be a number of seconds, 0 or more"),
    (f"shutdown_timeout: {'9' * 400}", "1: shutdown_timeout: shutdown_timeout must be a number of seconds, 0 or more"),
    ("\nhistory: 0", "2: history: history must be a whole number, 1 or more, got 0"),
    (
        "handle_signals: on",
        "1: handle_signals: handle_signals must be True, False or None, got 'on'; write true or false",
    ),
    ("lifespan: shop:lief", "1: lifespan: 'shop' has no 'lief'; did you mean 'life'?"),
    ("lifespan: shop:generate", "1: lifespan: lifespan 'generate' must be decorated with @contextmanager"),
    ("lifespan: shop:number", "1: lifespan: lifespan must be a function that returns a context manager, got 5"),
    ("zzz: 5", "1: zzz: unknown key; the keys here are tasks, groups, shutdown_timeout"),
    ("timout: 5", "1: timout: unknown key; did you mean 'timeout'?"),
    ("timeout: x", "1: timeout: timeout must be a positive number of seconds, got 'x'"),
    ("tasks:", "1: tasks: tasks must be a list, got None"),
    ("tasks: {}", "1: tasks: tasks must be a list, got {}"),
    ("tasks:\n- 7", "2: tasks.0: a task must be a mapping, got 7"),
    ("groups: 1", "1: groups: groups must be a list, got 1"),
    ("groups:\n\n- x", "3: groups.0: a group must be a mapping, got 'x'"),
    ("groups: [{nam: x}]", "1: groups.0.nam: unknown key; did you mean 'name'?"),
    ("groups: [{name: ' '}]", "1: groups.0.name: the name of a group must not be empty"),
    ("groups: [{name: 5}]", "1: groups.0.name: the name of a group must be text, got 5; put it in quotes"),
    ("groups: [{groups: [{jitter: -1}]}]", "1: groups.0.groups.0.jitter: jitter must be a number of seconds"),
]

SYNTAX = [
    (
        "a.yaml",
        "a:\n\tb: 1",
        "2: not YAML: found character '\\t' that cannot start any token (while scanning for the next",
    ),
    ("a.yaml", "a: b: c", "1: not YAML: mapping values are not allowed here; put a text with a colon in quotes"),
    (
        "a.yaml",
        "\n\ncron: * * * * *",
        "3: not YAML: expected alphabetic or numeric character, but found ' ' (while scan",
    ),
    (
        "a.yaml",
        "cron: @daily",
        "1: not YAML: found character '@' that cannot start any token (while scanning for the next",
    ),
    (
        "a.yaml",
        "a: [x, ${B}]",
        "1: not YAML: expected ',' or ']', but got '{' (while parsing a flow sequence); within [ ]",
    ),
    ("a.yaml", "a: 1\n---\nb: 2", "2: not YAML: but found another document"),
    ("a.yaml", "a: 'x\x01'", "1: not YAML: the character U+0001 is not allowed"),
    ("a.yaml", "a: *b", "1: not YAML: found undefined alias 'b'"),
    ("a.yaml", "a: 1\nb: 2\na: 3", "3: a: the key stands here twice"),
    ("a.yaml", "timeout: 1\n1: 2", "2: a key must be text, got '1'"),
    ("a.yaml", "timeout: 1\n? [a]\n: 2", "2: a key must be text, got a list or a mapping"),
    (
        "a.yaml",
        "timeout: !!python/name:os.system x",
        "1: timeout: the tag '!!python/name:os.system' has no meaning here",
    ),
    ("a.yaml", "timeout: !!timestamp 2026-01-01", "1: timeout: the tag '!!timestamp' has no meaning here"),
    ("a.yaml", "timeout: !!int x", "1: timeout: 'x' is no int"),
    ("a.yaml", "timeout: !!bool no", "1: timeout: 'no' is no bool"),
    ("a.yaml", "timeout: " + "9" * 5000, "1: timeout: '999"),
    ("a.yaml", "<<: 5", "1: << takes a mapping or a list of mappings"),
    ("a.yaml", "tasks: &a [*a]", "1: the file is too large or refers to itself; look at its aliases"),
    ("a.yaml", "tasks: &a\n  <<: *a", "1: the file is too large or refers to itself; look at its aliases"),
    ("a.yaml", "tasks: " + "[" * 5000, " the file is nested too deeply"),
    ("a.json", '{\n"a" 1}', "2: not JSON: expecting ':' delimiter (column 5)"),
    ("a.json", "", "1: not JSON: expecting value (column 1)"),
    ("a.json", '{\n"timeout":\nNaN}', "3: not JSON: NaN is no JSON"),
    ("a.json", '{\n"timeout": ' + "9" * 5000 + "}", "2: not JSON: Exceeds the limit"),
    ("a.json", '{"timeout": 1,\n\t"timeout": 2}', "2: timeout: the key stands here twice"),
    ("a.json", "[" * 100_000, " the file is nested too deeply"),
    ("a.json", "[" * 600 + "]" * 600, " the file is nested too deeply"),
    ("a.toml", "a = 1\nb = ", "2: not TOML: invalid value"),
    ("a.toml", "a = 1\n\na = 2", "3: not TOML: cannot overwrite a value"),
    ("a.toml", '\na = """', "2: not TOML: unterminated string"),
    ("a.toml", "a = 2026-02-30", "1: not TOML: invalid date or datetime"),
    ("a.toml", "\na = " + "9" * 5000, "2: not TOML: "),
    ("a.toml", "a = " + "[" * 5000, " the file is nested too deeply"),
    (
        "a.toml",
        "timeout = 1\n\n[[tasks]]\nname = 2026-01-01",
        "4: tasks.0.name: the name of a task must be text, got datetime.",
    ),
]


def told(problems: tuple[str, ...], expected: str) -> bool:
    return any(problem.startswith(expected) for problem in problems)


@pytest.mark.parametrize(("line", "expected"), IN_A_TASK)
def test_a_line_of_a_task(line: str, expected: str, problems: Problems) -> None:
    text = f"tasks:\n  - name: a\n    call: shop:send\n    trigger: {{type_: ONCE}}\n    {line}\n"
    [problem] = problems(text)
    # What is wrong with a task as a whole stands in its first line.
    assert problem.startswith((f"5: {expected}", f"2: {expected}" if expected.startswith("tasks.0: ") else "5: "))
    assert expected in problem


@pytest.mark.parametrize(("trigger", "expected"), TRIGGERS)
def test_a_trigger(trigger: str, expected: str, problems: Problems) -> None:
    [problem] = problems(f"tasks:\n- name: a\n  call: shop:send\n  trigger: {trigger}\n")
    assert problem.startswith(f"4: tasks.0.trigger{expected}")


@pytest.mark.parametrize(("call", "expected"), CALLS)
def test_a_call(call: str, expected: str, problems: Problems, project: Path) -> None:
    (project / "broken.py").write_text("1 / 0")
    (project / "ends.py").write_text("raise SystemExit(3)")
    (project / "needs.py").write_text("import nothing_like_it")
    [problem] = problems(f"tasks:\n- name: a\n  trigger: {{type_: ONCE}}\n  call: {call}\n")
    assert problem.startswith(f"4: tasks.0.call: {expected}")


@pytest.mark.parametrize(("text", "expected"), TOPS)
def test_the_top_and_groups(text: str, expected: str, problems: Problems) -> None:
    [problem] = problems(text)
    assert problem.startswith(expected)


@pytest.mark.parametrize(("name", "text", "expected"), SYNTAX, ids=[f"{n}-{t[:20]!r}" for n, t, _ in SYNTAX])
def test_the_format(name: str, text: str, expected: str, problems: Problems) -> None:
    assert told(problems(text, name), expected)


def test_a_file_that_is_not_utf_8(project: Path) -> None:
    (project / "a.toml").write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(ConfigurationError, match=r"a\.toml:2: the file must be UTF-8, and this line is not"):
        AioClock.from_config("a.toml")


def test_a_few_aliases_of_aliases_do_not_fill_the_memory(problems: Problems) -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert told(problems("\n".join(rows)), "1: the file is too large or refers to itself")
    rows = ["a0: &a0 {x: 1}"]
    rows += [f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert any("too large" in problem for problem in problems("\n".join(rows)))


def test_names_are_unique_in_the_whole_file(problems: Problems) -> None:
    task = "{name: %s, call: 'shop:send', trigger: {type_: ONCE}}"
    text = f"""tasks:
- {task % "a.b"}
- {task % "c"}
groups:
- name: a
  tasks:
  - {task % "b"}
- tasks:
  - {task % "c"}
  - {task % "d"}
"""
    assert problems(text) == (
        "7: groups.0.tasks.0.name: the task in line 2 has this name already; names are unique",
        "9: groups.1.tasks.0.name: the task in line 3 has this name already; names are unique",
    )


def test_what_a_task_lacks(problems: Problems) -> None:
    assert problems("timeout: 5\ntasks:\n- {}\n") == (
        "3: tasks.0: name is missing",
        "3: tasks.0: call and command are missing; a task has one of them",
        "3: tasks.0: trigger is missing; it says when the task is due",
    )


def test_what_a_trigger_lacks(problems: Problems) -> None:
    assert problems("tasks: [{name: a, call: 'shop:send', trigger: {type_: CRON}}]") == (
        "1: tasks.0.trigger: tz is missing",
        "1: tasks.0.trigger: cron is missing",
    )


def test_a_generator_function_can_not_be_a_task(problems: Problems) -> None:
    assert problems("tasks: [{name: a, call: 'shop:generate', trigger: {type_: ONCE}}]") == (
        "1: tasks.0: a generator function can't be scheduled; nothing would iterate it",
    )


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_the_lines(problems: Problems) -> None:
    text = """history: 0
shutdown_timeout: x
groups:
- tasks:
  - name: a
    call: shop:sned
    trigger:
      type_: EVERY
      seconds: -1
      mode: x
    retry:
      attempts: 0
      delay: -1
    timeout: ${NOT_SET}
    timeout: 5
"""
    assert [problem.split(": ")[:2] for problem in problems(text)] == [
        ["1", "history"],
        ["2", "shutdown_timeout"],
        ["6", "groups.0.tasks.0.call"],
        ["9", "groups.0.tasks.0.trigger.seconds"],
        ["10", "groups.0.tasks.0.trigger.mode"],
        ["12", "groups.0.tasks.0.retry.attempts"],
        ["13", "groups.0.tasks.0.retry.delay"],
        ["14", "groups.0.tasks.0.timeout"],
        ["15", "groups.0.tasks.0.timeout"],
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", "[[tasks]]\nname = 'a'\ncall = 'shop:send'\n[tasks.trigger]\ntype_ = 'EVERY'\nseconds = 'x'\n"),
        ("a.toml", "\n\ntasks = [\n {name='a', call='shop:send', trigger={type_='EVERY', seconds='x'}}]"),
        ("a.json", '{"tasks": [{"name": "a",\n"call": "shop:send",\n"trigger": {"type_": "EVERY",\n"seconds": "x"}}]}'),
    ],
)  # fmt: skip
def test_lines_are_told_in_every_format(name: str, text: str, problems: Problems) -> None:
    line = text.split("seconds")[0].count("\n") + 1
    assert problems(text, name) == (f"{line}: tasks.0.trigger.seconds: input should be a valid number, got 'x'",)


def test_the_error_is_one_of_ours_and_keeps_the_users_own_as_its_cause(load: Callable[..., AioClock]) -> None:
    Path("broken.py").write_text("1 / 0")
    with pytest.raises(ConfigurationError) as caught:
        load("tasks: [{name: a, call: 'broken:x', trigger: {type_: ONCE}}]")
    assert isinstance(caught.value, BaseAioClockException)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert "broken" not in sys.modules


def test_an_app_class_that_refuses_something_of_its_own_is_heard(load: Callable[..., AioClock]) -> None:
    from aioclock.exceptions import TaskDeclarationError

    class Picky(AioClock):
        def __init__(self, **arguments: object) -> None:
            raise TaskDeclarationError("not today")

    Path("a.yaml").write_text("{}")
    with pytest.raises(TaskDeclarationError, match="not today"):
        Picky.from_config("a.yaml")
