"""The JSON Schema says what the loader says, as far as a schema can know."""

import inspect
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import jsonschema
import pytest

from aioclock import AioClock
from aioclock.config import json_schema
from aioclock.config._app import SETTINGS
from aioclock.config._document import Document
from aioclock.config._policies import OBJECTS, POLICIES
from aioclock.config._tasks import CONTENTS, GROUP_KEYS, TASK_KEYS
from aioclock.config._triggers import NOT_IN_FILES, trigger_kinds
from aioclock.config._yaml_values import parse
from aioclock.exceptions import ConfigurationError

Load = Callable[..., AioClock]

ROOT = Path(__file__).parent.parent.parent
SCHEMA = json_schema(inspect.signature(AioClock))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def from_yaml(text: str) -> Any:
    document = Document("x")
    parse(text, document)
    return document.value


def keys(schema: dict[str, Any]) -> set[str]:
    assert schema["additionalProperties"] is False
    return set(schema["properties"])


def test_it_is_a_schema_of_draft_2020_12() -> None:
    VALIDATOR.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_it_needs_no_pyyaml_and_nothing_but_json() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_it_knows_exactly_the_keys_of_the_loader() -> None:
    assert keys(SCHEMA) == {*SETTINGS, *CONTENTS, *POLICIES, "$schema"}
    assert keys(SCHEMA["$defs"]["Task"]) == set(TASK_KEYS)
    assert keys(SCHEMA["$defs"]["Group"]) == set(GROUP_KEYS)
    for kind, _ in OBJECTS.values():
        assert keys(SCHEMA["$defs"][kind.__name__]) == set(get_type_hints(kind))
    for kind in trigger_kinds().values():
        assert keys(SCHEMA["$defs"][kind.__name__]) == kind.model_fields.keys() - NOT_IN_FILES


def test_every_reference_leads_somewhere() -> None:
    targets = set(re.findall(r'"\$ref": "#/\$defs/(\w+)"', json.dumps(SCHEMA)))
    assert targets <= SCHEMA["$defs"].keys()
    assert {"Every", "At", "Cron", "OrTrigger", "Retry", "Overlap", "Jitter", "Variable"} <= targets


def test_editors_have_a_text_to_show_for_every_policy_and_every_key_of_a_task() -> None:
    properties = SCHEMA["$defs"]["Task"]["properties"]
    assert [name for name in TASK_KEYS if not properties[name].get("description") and name != "trigger"] == []
    assert SCHEMA["$defs"]["Trigger"]["description"]


# One table for both. Each is a whole file.

TASK = "name: a, call: 'shop:send'"
GOOD = [
    "{}",
    "$schema: x",
    "shutdown_timeout: null\nhandle_signals: true\nhistory: 1\nlifespan: shop:life",
    "shutdown_timeout: 0\nhandle_signals: ${NONE:-true}\nhistory: ${NONE:-5}",
    "timeout: 0.5\ngrace: 3\njitter: 0\noverlap: queue\nexecutor: process\npause_after_failures: 1\nretry: {}",
    "timeout: null\ngrace: null\njitter: null\noverlap: null\nexecutor: null\npause_after_failures: null\nretry: null",
    "store: null\nlease: 0.5",
    "store: sqlite:///clock.db\nlease: 86400\nscope: node\non_lost: rerun\ncatch_up: none",
    "store: ${NONE:-memory://}\nlease: ${NONE:-5}\nscope: cluster\non_lost: fail\ncatch_up: {policy: all, limit: 1}",
    "store: '${NONE:-sqlite}:///clock.db'\nscope: null\non_lost: null\ncatch_up: {policy: latest}",
    "overlap: {policy: allow, limit: 1}\njitter: {seconds: 0.5, stable: true}",
    "retry: {attempts: 1, delay: 0, factor: 1, max_delay: 0, jitter: 0, on: OSError, outlive_tick: true}",
    "retry: {on: [OSError, 'shop:ShopError'], delay: '${NONE:-3}'}\noverlap: ${NONE:-skip}",
    f"tasks: [{{{TASK}, trigger: {{type_: EVERY, seconds: 0, minutes: null, max_loop_count: 1}}}}]",
    f"tasks: [{{{TASK}, trigger: {{type_: EVERY, seconds: '${{NONE:-3}}', mode: '${{NONE:-fixed_delay}}'}}}}]",
    f"tasks: [{{{TASK}, trigger: {{type_: AT, hour: 23, minute: 59, second: 59, at: every friday, tz: UTC}}}}]",
    f"tasks: [{{{TASK}, trigger: {{type_: CRON, cron: '@daily', tz: UTC}}}}]",
    f"tasks: [{{{TASK}, trigger: {{type_: OR, triggers: [{{type_: ONCE}}, {{type_: FOREVER}}]}}, timeout: 5}}]",
    "tasks: [{name: a, command: [ls, ''], env: {A: ''}, cwd: null, stdin: null, trigger: {type_: ONCE}}]",
    "tasks: [{name: a, command: ['${NONE:-ls}'], env: {}, cwd: x, stdin: x, trigger: {type_: ONCE}}]",
    "groups: [{}, {name: x, tasks: [], groups: [{tasks: []}], timeout: 3}]",
]


def bad() -> Iterator[str]:
    for number in ("x", "'5'", "true", "[]", "-1"):
        yield from (f"{name}: {number}" for name in ("timeout", "grace", "pause_after_failures", "history", "jitter"))
        yield from (f"retry: {{{name}: {number}}}" for name in ("attempts", "delay", "factor", "max_delay", "jitter"))
        yield f"shutdown_timeout: {number}"
        yield f"jitter: {{seconds: {number}}}"
        yield f"overlap: {{policy: queue, limit: {number}}}"
    yield from ("timeout: 0", "grace: 0", "history: 0", "history: 1.5", "history: null", "pause_after_failures: 0")
    yield from (
        "retry: {attempts: 0}",
        "retry: {factor: 0.5}",
        "retry: {on: []}",
        "retry: {on: 5}",
        "retry: {on: null}",
    )
    yield from (
        "retry: {x: 1}",
        "retry: 3",
        "retry: {outlive_tick: 1}",
        "retry: {outlive_tick: null}",
        "retry: {delay: null}",
    )
    yield from ("jitter: {}", "jitter: {stable: true}", "jitter: {seconds: 1, stable: 5}", "jitter: {seconds: 1, x: 1}")
    yield from (
        "overlap: x",
        "overlap: {policy: x}",
        "overlap: {policy: queue, limit: 0}",
        "overlap: {x: 1}",
        "overlap: 1",
    )
    yield from ("store: 5", "store: ''", "store: clock.db", "store: {}", "lease: 0.1", "lease: 1e9", "lease: null")
    for line in (
        "scope: x", "scope: 1", "on_lost: x", "on_lost: true", "catch_up: x", "catch_up: 5", "catch_up: {policy: x}",
        "catch_up: {policy: all, limit: 0}", "catch_up: {policy: all, limit: x}", "catch_up: {x: 1}",
    ):  # fmt: skip
        yield f"store: memory://\n{line}"
    yield from ("executor: x", "executor: 1", "handle_signals: x", "handle_signals: 'on'", "lifespan: 5", "lifespan: x")
    yield from (
        "x: 1",
        "limiter: 1",
        "name: x",
        "tasks: {}",
        "tasks: null",
        "tasks: [1]",
        "groups: {}",
        "groups: [1]",
        "5",
    )
    yield from (
        "groups: [{x: 1}]",
        "groups: [{name: ' '}]",
        "groups: [{name: 1}]",
        "groups: [{trigger: {type_: ONCE}}]",
    )
    yield from ("groups: [{groups: [{timeout: 0}]}]", "groups: [{history: 5}]")
    once = "trigger: {type_: ONCE}"
    yield from (
        "tasks: [{}]",
        f"tasks: [{{{TASK}}}]",
        f"tasks: [{{name: a, {once}}}]",
        f"tasks: [{{call: 'shop:send', {once}}}]",
    )
    for line in (
        "name: ''",
        "name: 1",
        "name: null",
        "call: 5",
        "call: shop",
        "call: 'shop:'",
        "command: [ls]",
        "x: 1",
    ):
        rest = {"name": "a", "call": "shop:send", "trigger": {"type_": "ONCE"}} | from_yaml(line)
        yield json.dumps({"tasks": [rest]})
    for line in ("env: {}", "cwd: x", "stdin: x", "timeout: 0", "groups: []"):
        yield f"tasks: [{{{TASK}, {line}, {once}}}]"
    for command in ("[]", "['']", "[1]", "[ls, 1]", "ls", "null", "{}"):
        yield f"tasks: [{{name: a, command: {command}, {once}}}]"
    for line in ("env: []", "env: {A: 1}", "env: {A=B: x}", "env: {'': x}", "cwd: 1", "stdin: []", "executor: loop"):
        yield f"tasks: [{{name: a, command: [ls], {line}, {once}}}]"
    for trigger in (
        "5", "null", "{}", "{type: ONCE}", "{type_: once}", "{type_: null}", "{type_: ONCE, seconds: 1}",
        "{type_: EVERY}", "{type_: EVERY, seconds: -1}", "{type_: EVERY, seconds: '5'}",
        "{type_: EVERY, seconds: true}",
        "{type_: EVERY, secs: 1}", "{type_: EVERY, seconds: 1, mode: x}",
        "{type_: EVERY, seconds: 1, max_loop_count: 0}",
        "{type_: EVERY, seconds: 1, max_loop_count: 1.5}", "{type_: EVERY, seconds: 1, expected_trigger_time: null}",
        "{type_: AT, hour: 1}", "{type_: AT, hour: 24, tz: UTC}", "{type_: AT, minute: -1, tz: UTC}",
        "{type_: AT, tz: 1}",
        "{type_: AT, at: x, tz: UTC}", "{type_: AT, hour: 9:30, tz: UTC}", "{type_: AT, hour: null, tz: UTC}",
        "{type_: CRON, cron: '* * * * *'}", "{type_: CRON, tz: UTC}", "{type_: CRON, tz: UTC, cron: 5}",
        "{type_: OR}", "{type_: OR, triggers: []}", "{type_: OR, triggers: [5]}", "{type_: OR, triggers: {}}",
        "{type_: OR, triggers: [{type_: ON_START_UP}]}", "{type_: OR, triggers: [{type_: EVERY}]}",
        "{type_: OR, triggers: [{type_: OR, triggers: [{type_: AT}]}]}",
    ):  # fmt: skip
        yield f"tasks: [{{{TASK}, trigger: {trigger}}}]"


@pytest.mark.parametrize("text", GOOD)
def test_what_the_loader_takes_the_schema_takes(text: str, load: Load) -> None:
    load(text)
    VALIDATOR.validate(from_yaml(text))


@pytest.mark.parametrize("text", list(bad()))
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_the_schema_refuses_the_loader_refuses(text: str, load: Load) -> None:
    assert not VALIDATOR.is_valid(from_yaml(text))
    with pytest.raises(ConfigurationError):
        load(text)


# Every example there is

FENCE = re.compile(r"^( *)```(yaml|toml|json)\b([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
READERS: dict[str, Callable[[str], Any]] = {"yaml": from_yaml, "toml": tomllib.loads, "json": json.loads}


def examples() -> Iterator[Any]:
    for page in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]:
        for number, (_, kind, title, text) in enumerate(FENCE.findall(page.read_text(encoding="utf-8"))):
            if "aioclock." in title:  # ```yaml title="aioclock.yaml": other blocks are other files
                yield pytest.param(kind, text, id=f"{page.name}-{number}")
    for file in (ROOT / "examples").rglob("*"):
        if file.suffix in (".yaml", ".toml", ".json"):
            yield pytest.param(file.suffix[1:], file.read_text(encoding="utf-8"), id=file.name)


@pytest.mark.parametrize(("kind", "text"), list(examples()))
def test_the_schema_takes_every_example(kind: str, text: str) -> None:
    VALIDATOR.validate(READERS[kind](text))


def test_there_are_examples() -> None:
    assert {case.values[0] for case in examples()} == {"yaml", "toml", "json"}
