"""The embedded Valkey: on disk every second, behind a password, on loopback only."""

from __future__ import annotations

from pathlib import Path

from redis import Redis, RedisError

from embedded.binaries import valkey_server
from embedded.keep import Keep
from embedded.process import Process


class Valkey:
    """One server on one data folder."""

    def __init__(self, data_dir: Path, keep: Keep, *, durable: bool) -> None:
        self._data_dir, self._keep, self._durable = data_dir, keep, durable
        self._folder = data_dir / "valkey"
        self.port = 0

    @property
    def url(self) -> str:
        """The address of database 0."""
        return f"redis://:{self._keep.secret('valkey')}@127.0.0.1:{self.port}/0"

    def launch(self) -> Process:
        """Start it on a free port."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self.port = self._keep.port("valkey_port")
        return Process("valkey", [str(valkey_server()), str(self._configuration())], self._data_dir)

    def answers(self) -> bool:
        """Whether this very server (our password opens it) answers."""
        try:
            with Redis.from_url(self.url, socket_timeout=5) as client:
                return bool(client.ping())
        except RedisError:
            return False

    def _configuration(self) -> Path:
        """The settings as a file, for a password on the command line is everybody's to read."""
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "requirepass": self._keep.secret("valkey"),
            "dir": quoted(str(self._folder)),
            "appendonly": "yes" if self._durable else "no",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory-policy": "noeviction",  # a job that was accepted must not vanish
            "daemonize": "no",
            "set-proc-title": "no",  # its command line is how a leftover is known
        }
        path = self._folder / "valkey.conf"
        path.touch(mode=0o600)
        path.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        return path


def quoted(text: str) -> str:
    """A value as the configuration file reads it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
