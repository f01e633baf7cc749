"""Arguments and options that several commands have in common."""

from typing import Annotated, Literal, TypeAlias

import typer

__all__ = [
    "CONFIG_FILES",
    "App",
    "Factory",
    "Json",
    "Key",
    "LogFormat",
    "LogFormatOption",
    "LogLevel",
    "LogLevelOption",
    "Since",
    "StoreAddress",
    "StoredKey",
    "StoredTasks",
]

CONFIG_FILES = (".yaml", ".yml", ".toml", ".json")
"""How the names of configuration files end."""

LogFormat: TypeAlias = Literal["auto", "text", "json"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error", "critical"]

App: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="APP",
        help="module:app, path/to/file.py:app or a configuration file; left out: AIOCLOCK_APP.",
        show_default=False,
    ),
]
Key: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="KEY", help="The task's key, id or function name. Alone, with AIOCLOCK_APP set.", show_default=False
    ),
]
Factory: TypeAlias = Annotated[
    bool | None,
    typer.Option("--factory/--no-factory", help="APP is a function that returns the app.", show_default=False),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.", show_default=False)]
LogFormatOption: TypeAlias = Annotated[
    LogFormat | None,
    typer.Option("--log-format", help="auto: text on a terminal, JSON lines elsewhere.", show_default="auto"),
]
LogLevelOption: TypeAlias = Annotated[
    LogLevel | None, typer.Option("--log-level", help="The least level that is shown.", show_default="info")
]

StoreAddress: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="The store itself, such as sqlite:///clock.db, instead of APP.",
        show_default=False,
    ),
]
StoredKey: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="KEY",
        help="The task's key; with APP its id or function name will do. Alone, with --store or AIOCLOCK_APP set.",
        show_default=False,
    ),
]
StoredTasks: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--task", metavar="KEY", help="Only this task (with APP also id or function name); may be repeated."),
]
Since: TypeAlias = Annotated[
    str | None,
    typer.Option("--since", metavar="WHEN", help="Only ticks since then: 2h, 3d or an ISO time.", show_default=False),
]
