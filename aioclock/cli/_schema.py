"""`aioclock schema`: what a configuration file may say, for editors."""

from typing import Annotated

import typer

from aioclock.cli._output import print_json

__all__ = ["schema"]


def schema(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Changes nothing: it is JSON.", show_default=False)] = False,
) -> None:
    """Print the JSON Schema of configuration files.

    Editors complete and check a file by it. Save it beside the file and name it there: in YAML by a first line
    `# yaml-language-server: $schema=aioclock.schema.json`, in JSON by the key `$schema`, in TOML by a first line
    `#:schema aioclock.schema.json`.
    """
    from inspect import signature

    from aioclock.app import AioClock
    from aioclock.config import json_schema

    print_json(json_schema(signature(AioClock)))
