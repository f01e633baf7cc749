"""Schemas of types, of triggers and of texts with variables."""

import ast
import inspect
import textwrap
from itertools import pairwise
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind
from pydantic_core.core_schema import IsSubclassSchema

from aioclock.config._triggers import NOT_IN_FILES, trigger_kinds
from aioclock.triggers import BaseTrigger, Every, OnShutDown, OnStartUp, OrTrigger, TriggerT

__all__ = ["VARIABLES", "attribute_docs", "one_line", "schema_of", "trigger_schemas", "with_variables"]

_VARIABLE = r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}"
VARIABLES = {
    "Variable": {
        "type": "string",
        "pattern": f"^{_VARIABLE}$",
        "description": "What an environment variable holds: ${NAME} or ${NAME:-default}.",
    },
    "WithVariable": {"type": "string", "pattern": _VARIABLE, "description": "A text with ${NAME} in it."},
}

_PERIODS = ("seconds", "minutes", "hours", "days", "weeks")
_OF_THE_APPS_LIFE = (OnStartUp, OnShutDown)


class _Generator(GenerateJsonSchema):
    """Knows error classes, which a file gives by their names."""

    # The default of an error class has no place in JSON.
    ignored_warning_kinds: set[JsonSchemaWarningKind] = {  # noqa: RUF012 - as pydantic declares it
        *GenerateJsonSchema.ignored_warning_kinds,
        "non-serializable-default",
    }

    def is_subclass_schema(self, schema: IsSubclassSchema) -> dict[str, Any]:
        return {"type": "string"}


def schema_of(type_: Any, *, limits: dict[str, Any], default: Any = inspect.Parameter.empty) -> dict[str, Any]:
    """Return the schema of *type_*; of dataclasses only a reference.

    Args:
        limits: Keywords for the numbers in it.
        default: Shown by editors, if it is plain.
    """
    schema = TypeAdapter(type_).json_schema(schema_generator=_Generator)
    schema.pop("$defs", None)
    _limit(schema, limits)
    if default is None or isinstance(default, str | int | float):
        schema["default"] = default
    return schema


def _limit(schema: dict[str, Any], limits: dict[str, Any]) -> None:
    for part in (schema, *schema.get("anyOf", ())):
        if part.get("type") in ("number", "integer"):
            part.update(limits)
        elif part.get("type") == "array":
            part["minItems"] = 1


def trigger_schemas() -> dict[str, Any]:
    """Return the schemas of the built-in triggers by class, of any trigger, and of any that can be one of several."""
    models = TypeAdapter(TriggerT).json_schema(schema_generator=_Generator)["$defs"]
    kinds = trigger_kinds()
    schemas = {kind.__name__: _trigger(kind, models[kind.__name__]) for kind in kinds.values()}
    for kind in _OF_THE_APPS_LIFE:
        schemas[kind.__name__]["deprecated"] = True
    schemas[Every.__name__]["anyOf"] = [{"required": [unit]} for unit in _PERIODS]
    schemas[OrTrigger.__name__]["properties"]["triggers"]["items"] = {"$ref": "#/$defs/OneOfSeveral"}
    several = {name: kind for name, kind in kinds.items() if kind not in _OF_THE_APPS_LIFE}
    return {**schemas, "Trigger": _any_of(kinds), "OneOfSeveral": _any_of(several)}


def _any_of(kinds: dict[str, type[BaseTrigger]]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": "When the task is due; type_ says which of the triggers it is.",
        "properties": {"type_": {"enum": list(kinds)}},
        "required": ["type_"],
        "oneOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in kinds.values()],
    }


def _trigger(kind: type[BaseTrigger], model: dict[str, Any]) -> dict[str, Any]:
    docs, properties = attribute_docs(kind), {}
    for name, schema in model["properties"].items():
        if name not in NOT_IN_FILES:
            properties[name] = _field(schema) | ({"description": docs[name]} if name in docs else {})
    properties["type_"] = {"const": model["properties"]["type_"]["const"]}
    required = ["type_", *(name for name in model.get("required", ()) if name != "type_")]
    return {
        "type": "object",
        "description": one_line(kind),
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _field(schema: dict[str, Any]) -> dict[str, Any]:
    """Return pydantic's schema of a field without its titles, and with a limit that it leaves as it is."""
    field: dict[str, Any] = {key: value for key, value in schema.items() if key not in ("title", "ge")}
    if field.get("anyOf") == [{"type": "integer"}, {"type": "number"}]:
        field = {"type": "number"}
    if "anyOf" in field:
        field["anyOf"] = [_field(part) for part in field["anyOf"]]
    if "ge" in schema:
        field["minimum"] = schema["ge"]
    return field


def with_variables(schema: Any) -> Any:
    """Return *schema* with `${NAME}` allowed wherever a number, a bool or one of several words belongs."""
    if isinstance(schema, list):
        return [with_variables(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") in ("number", "integer", "boolean"):
        return _or(schema, "Variable")
    if schema.get("type") == "string" and "enum" in schema:
        return _or(schema, "WithVariable")
    return {key: value if key == "default" else with_variables(value) for key, value in schema.items()}


def _or(schema: dict[str, Any], variable: str) -> dict[str, Any]:
    about: dict[str, Any] = {key: schema[key] for key in ("description", "default") if key in schema}
    about["anyOf"] = [
        {key: value for key, value in schema.items() if key not in about},
        {"$ref": f"#/$defs/{variable}"},
    ]
    return about


def one_line(kind: type[Any]) -> str:
    """Return the first line of the docstring of *kind*."""
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def attribute_docs(kind: type[Any]) -> dict[str, str]:
    """Return the texts that stand below the attributes of *kind* in its source; none if that is not there."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    except OSError:
        return {}
    assert isinstance(body, ast.ClassDef)
    docs = {}
    for attribute, text in pairwise(body.body):
        match attribute, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                docs[name] = " ".join(words.split())
    return docs
