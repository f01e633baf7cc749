"""The JSON Schema of configuration files, made of the models and signatures that read them."""

import inspect
from typing import Any, get_type_hints

from aioclock.config._app import FOR_EDITORS, SETTINGS
from aioclock.config._policies import OBJECTS, POLICIES
from aioclock.config._schema_parts import (
    VARIABLES,
    attribute_docs,
    one_line,
    schema_of,
    trigger_schemas,
    with_variables,
)
from aioclock.config._tasks import COMMAND_KEYS
from aioclock.policies import PolicyArgs

__all__ = ["json_schema"]

DRAFT = "https://json-schema.org/draft/2020-12/schema"

_TEXT = {"type": "string"}
_NAME = {"type": "string", "pattern": r"\S"}
_STORE = {"type": ["string", "null"], "pattern": r"^[A-Za-z0-9+.-]+://|\$\{", "default": None}
_FUNCTION = {"type": "string", "pattern": r"^[^:\s]+:[^:\s]+$|\$\{"}

# What the checks of the policies and of the app ask for beyond the types that they declare.
_LIMITS: dict[str, dict[str, Any]] = {
    "timeout": {"exclusiveMinimum": 0},
    "grace": {"exclusiveMinimum": 0},
    "jitter": {"minimum": 0},
    "pause_after_failures": {"minimum": 1},
    "shutdown_timeout": {"minimum": 0},
    "history": {"minimum": 1},
    "lease": {"minimum": 0.5, "maximum": 86_400},
    "Overlap.limit": {"minimum": 1},
    "Retry.attempts": {"minimum": 1},
    "Retry.delay": {"minimum": 0},
    "Retry.factor": {"minimum": 1},
    "Retry.max_delay": {"minimum": 0},
    "Retry.jitter": {"minimum": 0},
    "Jitter.seconds": {"minimum": 0},
    "CatchUp.limit": {"minimum": 1},
}

_DOCS = {
    "name": "The stable name of the task; the names of the groups around it stand in front, each with a dot.",
    "call": "The function to run: pkg.mod:function.",
    "command": "The program to run and its arguments; no shell reads them.",
    "env": "Variables that are added to the program's environment.",
    "cwd": "The folder in which the program runs, relative to that of this file; left out: that of this file.",
    "stdin": "What the program reads; null: nothing.",
    "tasks": "Functions and programs, each with a trigger.",
    "groups": "Tasks that share policies.",
}


def json_schema(signature: inspect.Signature) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of configuration files.

    Args:
        signature: That of the app's class, whose arguments a file may give.
    """
    definitions = {
        **VARIABLES,
        **trigger_schemas(),
        **{kind.__name__: _object(kind) for kind, _ in OBJECTS.values()},
        "Task": _task(),
        "Group": _mapping({"name": {**_NAME, "description": "Stands in front of its tasks' names."}, **_contents()}),
    }
    settings = {name: _setting(name, signature.parameters[name]) for name in SETTINGS}
    top = _mapping({FOR_EDITORS: _TEXT, **settings, **_contents()})
    schema: dict[str, Any] = with_variables({"$schema": DRAFT, "title": "aioclock", **top, "$defs": definitions})
    return schema


def _mapping(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _contents() -> dict[str, Any]:
    lists = {
        "tasks": {"type": "array", "items": {"$ref": "#/$defs/Task"}, "description": _DOCS["tasks"]},
        "groups": {"type": "array", "items": {"$ref": "#/$defs/Group"}, "description": _DOCS["groups"]},
    }
    return {**_policies(), **lists}


def _policies() -> dict[str, Any]:
    types, docs = get_type_hints(PolicyArgs), attribute_docs(PolicyArgs)
    schemas = {}
    for name in POLICIES:
        schema = schema_of(types[name], limits=_LIMITS.get(name, {}))
        schemas[name] = {**({"description": docs[name]} if name in docs else {}), **schema}
    return schemas


def _object(kind: type[Any]) -> dict[str, Any]:
    """Return the schema of a policy's mapping: a frozen dataclass with its fields."""
    limits = {key.partition(".")[2]: limit for key, limit in _LIMITS.items() if key.startswith(f"{kind.__name__}.")}
    parameters = inspect.signature(kind).parameters
    properties = {}
    for name, type_ in get_type_hints(kind).items():
        properties[name] = schema_of(type_, limits=limits.get(name, {}), default=parameters[name].default)
    required = [name for name, parameter in parameters.items() if parameter.default is parameter.empty]
    schema = {"description": one_line(kind), **_mapping(properties)}
    return {**schema, "required": required} if required else schema


def _setting(name: str, parameter: inspect.Parameter) -> dict[str, Any]:
    if name == "lifespan":
        return {**_FUNCTION, "description": "A function that gives a context manager: pkg.mod:function."}
    if name == "store":
        return {**_STORE, "description": "The URL of the store in which tasks and runs outlast the process."}
    return schema_of(parameter.annotation, limits=_LIMITS.get(name, {}), default=parameter.default)


def _task() -> dict[str, Any]:
    own: dict[str, Any] = {
        "name": _NAME,
        "call": _FUNCTION,
        "command": {"type": "array", "items": _TEXT, "minItems": 1, "prefixItems": [{**_TEXT, "minLength": 1}]},
        "env": {"type": "object", "additionalProperties": _TEXT, "propertyNames": {"pattern": "^[^=]+$"}},
        "cwd": {"type": ["string", "null"]},
        "stdin": {"type": ["string", "null"]},
    }
    described = {name: {**schema, "description": _DOCS[name]} for name, schema in own.items()}
    task = _mapping({**described, "trigger": {"$ref": "#/$defs/Trigger"}, **_policies()})
    not_with_call = dict.fromkeys(("command", *COMMAND_KEYS), False)
    ways = [
        {"required": ["call"], "properties": not_with_call},
        {"required": ["command"], "properties": {"call": False, "executor": False}},
    ]
    return {**task, "required": ["name", "trigger"], "oneOf": ways}
