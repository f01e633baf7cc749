"""Settings that need not be typed: from the environment and from pyproject.toml."""

from functools import cache

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    PyprojectTomlConfigSettingsSource,
    SettingsConfigDict,
)

from aioclock.cli._errors import CommandError
from aioclock.cli._options import LogFormat, LogLevel

__all__ = ["Settings", "settings"]


class Settings(BaseSettings):
    """`AIOCLOCK_APP` and so on, else the table `[tool.aioclock]` of the pyproject.toml here or in a folder above."""

    model_config = SettingsConfigDict(
        env_prefix="AIOCLOCK_", pyproject_toml_table_header=("tool", "aioclock"), pyproject_toml_depth=8, extra="forbid"
    )

    app: str | None = None
    """The app, where a command names none."""
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
        return env_settings, PyprojectTomlConfigSettingsSource(settings_cls)


@cache
def settings() -> Settings:
    """Return the settings of this process.

    Raises:
        CommandError: one of them is unknown or has a bad value.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(map(str, first["loc"]))
        raise CommandError(
            f"the setting {name!r} (AIOCLOCK_{name.upper()}, or {name} in [tool.aioclock] of pyproject.toml) "
            f"can't be {first['input']!r}: {first['msg'].lower()}"
        ) from error
