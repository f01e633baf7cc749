"""A Redis server of one's own, on a free port of this machine and in a folder that the test has made."""

import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from processes import wait_until

PROGRAM = shutil.which("redis-server")

needs_redis = pytest.mark.skipif(PROGRAM is None, reason="no redis-server is installed: apt-get install redis-server")


class RedisServer:
    """Use it as a block; within, it can be stopped in several ways and started again, on the same port.

    Args:
        options: Settings of the server, beside those below or in place of them, as its configuration file has them.
    """

    def __init__(self, folder: Path, **options: str) -> None:
        self.folder = folder
        self.port = _free_port()
        # Nothing that was answered may be lost, or a test could not tell a fault of ours from one of the disk.
        self.options = {"appendonly": "yes", "appendfsync": "always", "save": '""', **options}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def __enter__(self) -> "RedisServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        assert PROGRAM is not None
        assert self._process is None
        settings = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self.folder), **self.options}
        file = self.folder / "redis.conf"
        file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, str(file)], stdout=log, stderr=log)
        try:
            wait_until(self._answers)
        except BaseException:
            self.kill()
            raise

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "redis.log").read_text()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return not connection.recv(100).startswith(b"-LOADING")
        except OSError:
            return False

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        if self._process is not None:
            self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait()
        self._process = None

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, what: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(what)

    def ask(self, command: str) -> str:
        """Return the beginning of the answer to *command*, in the words of the protocol."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(100_000).decode()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
