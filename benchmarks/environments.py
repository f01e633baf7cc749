"""One virtual environment per competitor, in .bench/, made on first use."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".bench"
# tzdata: next_tick.py needs a time zone, and a bare machine may have no zone database.
REQUIREMENTS = {
    "aioclock": ["--editable", str(ROOT), "tzdata"],
    "apscheduler": ["apscheduler<4", "tzdata"],
    # pytest: the tests start the servers.
    "stores": ["--editable", f"{ROOT}[redis,sql]", "pytest"],
    "aioclock03": ["aioclock<0.4", "tzdata"],
}


def python(name: str) -> Path:
    """Return the interpreter of the environment *name*; it is made, or renewed after a change of pyproject.toml."""
    directory = HOME / name
    interpreter = directory / "bin" / "python"
    stamp = directory / ".installed"
    if not stamp.exists() or stamp.stat().st_mtime < (ROOT / "pyproject.toml").stat().st_mtime:
        print(f"setting up {directory.relative_to(ROOT)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(directory)], check=True)
        pip = [str(interpreter), "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
        subprocess.run([*pip, "install", *REQUIREMENTS[name]], check=True)
        stamp.touch()
    return interpreter
