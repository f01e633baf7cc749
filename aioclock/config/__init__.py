"""Apps described by a file: YAML, TOML or JSON."""

from aioclock.config._app import load
from aioclock.config._group import FileGroup
from aioclock.config._schema import json_schema

__all__ = ["FileGroup", "json_schema", "load"]
