"""`${NAME}`: what stands in the environment and not in the file, and never in a message."""

import traceback
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioclock import AioClock, At, Every, OrTrigger
from aioclock.config._document import Document
from aioclock.config._variables import as_scalar, fill_in
from aioclock.exceptions import ConfigurationError
from aioclock.policies import Policies

Load = Callable[..., AioClock]
Problems = Callable[..., tuple[str, ...]]

ENVIRONMENT = {"A": "one", "B_2": "two", "EMPTY": "", "ODD": "${A}"}


def filled(value: Any) -> Document:
    document = Document("x", value)
    fill_in(document, ENVIRONMENT)
    return document


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "one"),
        ("<${A}${B_2}>", "<onetwo>"),
        ("${EMPTY}", ""),
        ("${EMPTY:-x}", "x"),
        ("${NONE:-}", ""),
        ("${NONE:-a b:-c}", "a b:-c"),
        ("${A:-x}", "one"),
        ("${ODD}", "${A}"),
        ("$${A}", "${A}"),
        ("$${", "${"),
        ("$$${A}", "$${A}"),
        ("$${NONE:-${A}}", "${NONE:-one}"),
        ("$A $$ $ {A}", "$A $$ $ {A}"),
    ],
)
def test_what_a_text_becomes(text: str, expected: str) -> None:
    document = filled({"a": [text, 5]})
    assert document.value == {"a": [expected, 5]}
    assert document.sound


@given(st.text())
def test_a_text_without_a_reference_stays_as_it_is(text: str) -> None:
    document = filled([text.replace("${", "")])
    assert document.value == [text.replace("${", "")]
    assert document.variables == {}


@given(st.text(), st.text())
def test_a_text_with_every_reference_escaped_comes_back(before: str, after: str) -> None:
    text = f"{before}${{{after}".replace("$$", "")
    document = filled([text.replace("${", "$${")])
    assert document.value == [text]
    assert document.sound


@pytest.mark.parametrize("text", ["${", "${}", "${1}", "${A", "${A-x}", "${A B}", "${A:x}"])
def test_a_malformed_reference_is_refused(text: str, problems: Problems) -> None:
    assert problems(f"tasks:\n- name: '{text}'\n  call: shop:send\n  trigger: {{type_: ONCE}}") == (
        "2: tasks.0.name: after ${ comes the name of a variable and }, as in ${NAME}; write $${ for ${ itself",
    )


def test_an_unset_variable_is_named_with_file_path_and_line(problems: Problems) -> None:
    assert problems("timeout: 5\ngroups:\n- name: x\n  grace: ${NOT_SET}\n") == (
        "4: groups.0.grace: the environment variable NOT_SET is not set; set it, or write ${NOT_SET:-default}",
    )


def test_an_unset_variable_is_told_once_whatever_else_it_breaks(problems: Problems) -> None:
    [problem] = problems(
        "tasks: [{name: a, call: '${NOT_SET}:x', trigger: {type_: ONCE}}]\n",
    )
    assert "NOT_SET is not set" in problem
    [problem] = problems(
        "tasks: [{name: a, call: 'shop:send', trigger: {type_: EVERY, seconds: '${NOT_SET}'}}]\n",
    )
    assert "NOT_SET is not set" in problem


def test_numbers_and_bools_come_out_of_variables_where_they_belong(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"N": "5", "F": "2.5", "ON": "true", "ZONE": "Europe/Berlin", "KIND": "skip"}.items():
        monkeypatch.setenv(name, value)
    app = load(
        """
        history: ${N}
        timeout: ${F}
        jitter: {seconds: "${N}", stable: "${ON}"}
        retry: {attempts: "${N}", outlive_tick: "${NONE:-false}"}
        overlap: ${KIND}
        tasks:
        - name: ${N}
          call: shop:send
          trigger:
            type_: OR
            max_loop_count: ${N}
            triggers: [{type_: EVERY, seconds: "${F}"}, {type_: AT, hour: "${N}", tz: "${ZONE}"}]
        """
    )
    task = app.tasks["5"]
    assert task.trigger == OrTrigger(max_loop_count=5, triggers=[Every(seconds=2.5), At(hour=5, tz="Europe/Berlin")])
    assert task.policies.timeout == 2.5
    assert task.policies.retry is not None
    assert task.policies.retry.attempts == 5


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("-5", -5), ("+5", 5), ("2.5", 2.5), (".5", 0.5), ("5.", 5.0), ("1e3", 1e3), ("TRUE", True)],
)
def test_texts_that_are_scalars(text: str, value: Any) -> None:
    assert as_scalar(text) == value
    assert type(as_scalar(text)) is type(value)


@given(st.text() | st.sampled_from(["", "5 ", "0x5", "1_000", "inf", "nan", "1e9999", "٣", "9" * 20, "yes"]))
def test_any_other_text_is_left_alone_and_nothing_breaks(text: str) -> None:
    value = as_scalar(text)
    assert value == text or text.lower() == str(value).lower() or float(text) == value


# Secrets

SECRET = "hunter2 'Ä\"\n"
PLACES = [
    "timeout: {}",
    "handle_signals: {}",
    "lifespan: {}",
    "overlap: {}",
    "overlap: {{policy: {}}}",
    "overlap: {{limit: 3, policy: {}}}",
    "retry: {}",
    "retry: {{on: {}}}",
    "retry: {{on: [OSError, {}]}}",
    "retry: {{attempts: {}}}",
    "jitter: {{seconds: {}}}",
    "executor: {}",
    "tasks: {}",
    "tasks: [{}]",
    "groups: {}",
    "groups: [{}]",
    "groups: [{{name: {}, tasks: [5]}}]",
    "groups: [{{name: {}, tasks: [{{name: a}}, {{name: a}}]}}]",
    "groups: [{{tasks: [{{name: {0}}}, {{name: {0}}}]}}]",
    "tasks: [{{call: {}}}]",
    "tasks: [{{call: 'shop{}:x'}}]",
    "tasks: [{{call: 'shop:{}'}}]",
    "tasks: [{{command: {}}}]",
    "tasks: [{{command: [x], env: {}}}]",
    "tasks: [{{command: [x], env: [{}]}}]",
    "tasks: [{{trigger: {}}}]",
    "tasks: [{{trigger: {{type_: {}}}}}]",
    "tasks: [{{trigger: {{x: {}}}}}]",
    "tasks: [{{trigger: {{type_: ONCE, x: {}}}}}]",
    "tasks: [{{trigger: {{type_: EVERY, seconds: {}}}}}]",
    "tasks: [{{trigger: {{type_: EVERY, seconds: 1, mode: {}}}}}]",
    "tasks: [{{trigger: {{type_: AT, tz: {}}}}}]",
    "tasks: [{{trigger: {{type_: AT, tz: UTC, at: {}}}}}]",
    "tasks: [{{trigger: {{type_: CRON, tz: UTC, cron: {}}}}}]",
    "tasks: [{{trigger: {{type_: OR, triggers: {}}}}}]",
    "tasks: [{{trigger: {{type_: OR, triggers: [{}]}}}}]",
    "tasks: [{{trigger: {{type_: OR, triggers: [{{type_: AT, tz: {}}}]}}}}]",
]


@pytest.mark.parametrize("place", PLACES)
def test_what_came_from_the_environment_is_in_no_message(
    place: str, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", SECRET)
    reference = "${SECRET}" if "'" in place else '"${SECRET}"'
    with pytest.raises(ConfigurationError) as caught:
        load(place.format(reference))
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("number", ["-5", "0.0000000123", "987654321987"])
def test_a_number_from_the_environment_is_in_no_message_either(
    number: str, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", number)
    with pytest.raises(ConfigurationError) as caught:
        load("grace: '${SECRET}0000000000000x'\ntasks: [{trigger: {type_: EVERY, seconds: '${SECRET}'}}]")
    message = "".join(traceback.format_exception(caught.value))
    assert "tasks.0.trigger" in message
    assert number not in message
    assert repr(float(number)) not in message


def test_a_message_about_something_else_still_shows_its_value(
    problems: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "x")
    first, second = problems("timeout: -1\ngrace: ${SECRET}\n")
    assert first == "1: timeout: timeout must be a positive number of seconds, got -1; None means no timeout"
    assert second == "2: grace: what '${SECRET}' stands for can't be used here; it may be a secret and is not shown"


def test_a_default_is_no_secret(problems: Problems) -> None:
    [problem] = problems("timeout: ${NONE:--7}\n")
    assert "got -7" in problem


def test_policies_that_are_left_out_by_an_empty_group_stay_out(load: Load) -> None:
    app = load("groups: [{tasks: [{name: a, call: 'shop:send', trigger: {type_: ONCE}, timeout: null}]}]")
    assert app.tasks["a"].policies == Policies()
