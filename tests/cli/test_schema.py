"""`aioclock schema`."""

import json
from inspect import signature
from pathlib import Path

import jsonschema
import pytest

from aioclock import AioClock
from aioclock.config import json_schema
from commands import aioclock


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_it_prints_the_schema_and_nothing_else(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = aioclock("schema", *options, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == json_schema(signature(AioClock))
    jsonschema.Draft202012Validator.check_schema(json.loads(done.stdout))


def test_its_help_has_an_example(tmp_path: Path) -> None:
    done = aioclock("schema", "--help", folder=tmp_path)
    assert done.returncode == 0
    assert "Example: aioclock schema > aioclock.schema.json" in done.stdout


def test_an_argument_is_misuse(tmp_path: Path) -> None:
    done = aioclock("schema", "aioclock.yaml", folder=tmp_path)
    assert done.returncode == 2
    assert "aioclock.yaml" in done.stderr
    assert done.stdout == ""
