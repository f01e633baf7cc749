"""Settings that need not be typed: from the environment and from pyproject.toml."""

import os
import tomllib
from functools import cache
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    PyprojectTomlConfigSettingsSource,
    SettingsConfigDict,
)

from aioclock.cli._errors import CommandError
from aioclock.cli._options import LogFormat, LogLevel
from aioclock.utils import did_you_mean

__all__ = ["Settings", "folder_of_app", "settings"]

FILE = "pyproject.toml"


class Settings(BaseSettings):
    """`AIOCLOCK_APP` and so on, else the table `[tool.aioclock]` of the pyproject.toml here or in a folder above."""

    model_config = SettingsConfigDict(
        env_prefix="AIOCLOCK_",
        env_ignore_empty=True,
        pyproject_toml_table_header=("tool", "aioclock"),
        extra="forbid",
    )

    app: str | None = None
    """The app, where a command names none."""
    store: str | None = None
    """The store, where a command that needs nothing else is given neither an app nor a store."""
    factory: bool = False
    log_format: LogFormat = "auto"
    log_level: LogLevel = "info"
    reload: bool = False
    uvloop: bool = False
    strict: bool = False

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, PyprojectTomlConfigSettingsSource(settings_cls, _file())


def _file() -> Path:
    here = Path.cwd()
    return next((file for folder in (here, *here.parents) if (file := folder / FILE).is_file()), here / FILE)


@cache
def settings() -> Settings:
    """Return the settings of this process.

    Raises:
        CommandError: one of them is unknown or has a bad value.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise CommandError("; ".join(map(_worded, error.errors()))) from error
    except tomllib.TOMLDecodeError as error:
        raise CommandError(f"{_file()} is not TOML: {error}") from error
    except (AttributeError, ValueError) as error:  # a key where the table should be
        raise CommandError(f"[tool.aioclock] in {_file()} must be a table of settings") from error


def _worded(error: ErrorDetails) -> str:
    name = "_".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"unknown setting {name!r} in [tool.aioclock] of {FILE}{did_you_mean(name, Settings.model_fields)}"
    return (
        f"the setting {name!r} (AIOCLOCK_{name.upper()}, or {name} in [tool.aioclock] of {FILE}) "
        f"can't be {error['input']!r}: {error['msg'].lower()}"
    )


def folder_of_app() -> Path:
    """Return the folder that the setting `app` is relative to: this one, or that of the file it stands in."""
    folder = _file().parent
    return Path() if os.environ.get("AIOCLOCK_APP") or folder == Path.cwd() else folder
