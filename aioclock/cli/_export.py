"""`aioclock export`: units for those who want the operating system to keep the time."""

import sys
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from aioclock.cli._errors import CommandError
from aioclock.cli._options import App, Factory, Json

__all__ = ["export"]

export = typer.Typer(no_args_is_help=True, help="Print units that run `aioclock trigger` on the tasks' schedules.")

Tasks: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--task", metavar="KEY", help="A task's key, id or function name; may be repeated. Left out: all tasks."
    ),
]
Command: TypeAlias = Annotated[
    str | None,
    typer.Option(help="What to run instead of this environment's aioclock.", show_default=False),
]
Folder: TypeAlias = Annotated[
    str | None, typer.Option("--working-directory", metavar="DIR", help="Where to run it.", show_default="here")
]
ContainerFolder: TypeAlias = Annotated[
    str | None,
    typer.Option("--working-directory", metavar="DIR", help="Where to run it.", show_default="the image's own"),
]
Output: TypeAlias = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="DIR", help="Write files there, and print their names.")
]
Force: TypeAlias = Annotated[bool, typer.Option("--force", help="Overwrite files that are there.", show_default=False)]
IgnoreClockChanges: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--ignore-clock-changes", help="Export even what the target does otherwise when the clocks change.",
        show_default=False,
    ),
]  # fmt: skip
LocalZone: TypeAlias = Annotated[
    str | None,
    typer.Option("--local-zone", metavar="ZONE", help="The zone of the target machine.", show_default="this one's"),
]
User: TypeAlias = Annotated[str | None, typer.Option(metavar="NAME", help="Who runs it.", show_default=False)]


@export.command("systemd", epilog="Example: aioclock export systemd shop.py:app -o ~/.config/systemd/user")
def systemd(
    app: App = None,
    *,
    factory: Factory = None,
    tasks: Tasks = None,
    command: Command = None,
    folder: Folder = None,
    user: User = None,
    allow_drift: Annotated[
        bool,
        typer.Option(
            "--allow-drift", help="Count periods that no calendar has from the start of the last run.",
            show_default=False,
        ),
    ] = False,
    ignore_clock_changes: IgnoreClockChanges = False,
    output: Output = None,
    force: Force = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Print a service and a timer of systemd for each task.

    --user is for units of the system; units in ~/.config/systemd/user run as their user anyway.
    """
    from aioclock.cli._exporting._checked import require_user
    from aioclock.cli._exporting._export import Request
    from aioclock.cli._exporting._printing import Printing, export_and_print
    from aioclock.cli._exporting._systemd import Systemd

    require_user(user)
    request = Request(target="systemd", app=app, factory=factory, tasks=tasks or (), command=command, folder=folder)
    export_and_print(
        request,
        lambda invocation, now: Systemd(
            invocation=invocation,
            now=now,
            user=user,
            drift=allow_drift,
            ignore_clock_changes=ignore_clock_changes,
        ),
        Printing(output, force, as_json, "# {}\n"),
    )


@export.command("crontab", epilog="Example: aioclock export crontab shop.py:app --task clean_up | crontab -")
def crontab(
    app: App = None,
    *,
    factory: Factory = None,
    tasks: Tasks = None,
    command: Command = None,
    folder: Folder = None,
    dialect: Annotated[
        Literal["vixie", "cronie"], typer.Option(help="vixie is Debian's; cronie knows CRON_TZ.")
    ] = "vixie",
    local_zone: LocalZone = None,
    user: User = None,
    lock_directory: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Skip a run during another, with a lock there.", show_default=False),
    ] = None,
    ignore_clock_changes: IgnoreClockChanges = False,
    output: Output = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Print lines of a crontab for each task.

    With --user they have the form of files in /etc/cron.d.
    """
    from aioclock.cli._exporting._checked import checked_zone, require_user
    from aioclock.cli._exporting._crontab import Crontab
    from aioclock.cli._exporting._export import Request
    from aioclock.cli._exporting._printing import Printing, export_and_print

    require_user(user)
    if lock_directory is not None and not lock_directory.startswith("/"):
        raise CommandError(f"--lock-directory must be an absolute path, got {lock_directory!r}")
    request = Request(target="crontab", app=app, factory=factory, tasks=tasks or (), command=command, folder=folder)
    zone = checked_zone(local_zone)
    export_and_print(
        request,
        lambda invocation, now: Crontab(
            invocation=invocation,
            now=now,
            local_zone=zone,
            cronie=dialect == "cronie",
            user=user,
            lock_folder=lock_directory,
            ignore_clock_changes=ignore_clock_changes,
        ),
        # CRON_TZ holds for all lines below it.
        Printing(output, force, as_json, "", order=lambda unit: "\nCRON_TZ=" in unit.files[0].content),
    )


@export.command("launchd", epilog="Example: aioclock export launchd shop.py:app -o ~/Library/LaunchAgents")
def launchd(
    app: App = None,
    *,
    factory: Factory = None,
    tasks: Tasks = None,
    command: Command = None,
    folder: Folder = None,
    local_zone: LocalZone = None,
    ignore_clock_changes: IgnoreClockChanges = False,
    output: Output = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Print a property list of macOS's launchd for each task."""
    from aioclock.cli._exporting._checked import checked_zone
    from aioclock.cli._exporting._export import Request
    from aioclock.cli._exporting._launchd import Launchd
    from aioclock.cli._exporting._printing import Printing, export_and_print

    request = Request(target="launchd", app=app, factory=factory, tasks=tasks or (), command=command, folder=folder)
    zone = checked_zone(local_zone)
    export_and_print(
        request,
        lambda invocation, now: Launchd(
            invocation=invocation, now=now, local_zone=zone, ignore_clock_changes=ignore_clock_changes
        ),
        Printing(output, force, as_json, "<!-- {} -->\n"),
    )


@export.command("schtasks", epilog="Example: aioclock export schtasks shop.py:app -o tasks")
def schtasks(
    app: App = None,
    *,
    factory: Factory = None,
    tasks: Tasks = None,
    command: Command = None,
    folder: Folder = None,
    local_zone: LocalZone = None,
    ignore_clock_changes: IgnoreClockChanges = False,
    output: Output = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Print XML for the Task Scheduler of Windows, for each task.

    Elsewhere than on Windows it needs --command and --working-directory, for the paths of this machine mean nothing
    there.
    """
    from aioclock.cli._exporting._checked import checked_zone
    from aioclock.cli._exporting._export import Request
    from aioclock.cli._exporting._printing import Printing, export_and_print
    from aioclock.cli._exporting._schtasks import Schtasks

    if sys.platform != "win32" and (command is None or folder is None):
        raise CommandError(
            "this machine is not Windows; say what is run there, and where: --command, --working-directory"
        )
    request = Request(target="schtasks", app=app, factory=factory, tasks=tasks or (), command=command, folder=folder)
    zone = checked_zone(local_zone)
    export_and_print(
        request,
        lambda invocation, now: Schtasks(
            invocation=invocation, now=now, local_zone=zone, ignore_clock_changes=ignore_clock_changes
        ),
        Printing(output, force, as_json, "<!-- {} -->\n"),
    )


@export.command("k8s", epilog="Example: aioclock export k8s shop:app --image shop:1.4 | kubectl apply -f -")
def k8s(
    app: App = None,
    *,
    image: Annotated[str, typer.Option(help="The container's image; it has the app and aioclock.", show_default=False)],
    namespace: Annotated[str | None, typer.Option(help="The namespace of the CronJobs.", show_default=False)] = None,
    factory: Factory = None,
    tasks: Tasks = None,
    command: Annotated[str | None, typer.Option(help="What to run instead of aioclock.", show_default=False)] = None,
    folder: ContainerFolder = None,
    ignore_clock_changes: IgnoreClockChanges = False,
    output: Output = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Print a CronJob of Kubernetes for each task."""
    from aioclock.cli._exporting._checked import require
    from aioclock.cli._exporting._export import Request
    from aioclock.cli._exporting._k8s import Kubernetes
    from aioclock.cli._exporting._printing import Printing, export_and_print

    require("--image", image, r"[^\s]+")
    if namespace is not None:
        require("--namespace", namespace, r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
    request = Request(
        target="k8s", app=app, factory=factory, tasks=tasks or (), command=command, folder=folder, contained=True
    )
    export_and_print(
        request,
        lambda invocation, now: Kubernetes(
            invocation=invocation,
            now=now,
            image=image,
            namespace=namespace,
            ignore_clock_changes=ignore_clock_changes,
        ),
        Printing(output, force, as_json, "---\n"),
    )
