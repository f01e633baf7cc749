"""Fixtures that tests of several folders ask for."""

import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest


@pytest.fixture(scope="module")
def jobs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Import JOBS, the source text in the test module, as a module that worker processes can import as well."""
    name = "jobs_of_" + request.module.__name__.rpartition("test_")[2]
    folder = tmp_path_factory.mktemp("jobs")
    (folder / f"{name}.py").write_text(request.module.JOBS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)  # a worker gets the parent's path
        yield import_module(name)
    del sys.modules[name]
