# SPDX-License-Identifier: Apache-2.0
"""A slow NAS on this machine: an SFTP server in a network namespace of its own, behind a link shaped by tc's tbf."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from .host import Failed, Service, Unavailable, call, program
from .undo import Undo

PORT = 2222


class Network:
    """Addresses are of 198.18.0.0/15, which RFC 2544 sets aside for benchmarks."""

    def __init__(self, work: Path, undo: Undo, rate: str = "1gbit") -> None:
        self.rate = rate
        self._folder = work / "network"
        self._undo = undo
        number = os.getpid()
        self._namespace = f"arenacache-bench-{number}"
        self._near, self._far = f"acb{number}n", f"acb{number}f"
        third = number % 250
        self._gateway, self.host = f"198.18.{third}.1", f"198.18.{third}.2"

    def start(self) -> None:
        try:
            self._link()
        except Failed as failure:
            raise Unavailable(f"no shaped network can be made here: {failure}") from None
        self._serve()

    def _inside(self, *command: str) -> tuple[str, ...]:
        return (program("ip"), "netns", "exec", self._namespace, *command)

    def _link(self) -> None:
        ip, tc = program("ip"), program("tc")
        self._undo.push(run=[ip, "netns", "del", self._namespace])
        call(ip, "netns", "add", self._namespace)
        self._undo.push(run=[ip, "link", "del", self._near])
        call(ip, "link", "add", self._near, "type", "veth", "peer", "name", self._far, "netns", self._namespace)
        call(ip, "address", "add", f"{self._gateway}/30", "dev", self._near)
        call(ip, "link", "set", self._near, "up")
        call(*self._inside(ip, "address", "add", f"{self.host}/30", "dev", self._far))
        call(*self._inside(ip, "link", "set", self._far, "up"))
        call(*self._inside(ip, "link", "set", "lo", "up"))
        # The server's side sends the files.
        call(*self._inside(tc, "qdisc", "replace", "dev", self._far, "root", "tbf", "rate", self.rate, "burst", "256kb",
                           "latency", "50ms"))

    def _serve(self) -> None:
        sshd, keygen = program("sshd"), program("ssh-keygen")
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd refuses to start without it
        self._folder.mkdir(mode=0o700)
        for name in ("host", "user"):
            call(keygen, "-q", "-t", "ed25519", "-N", "", "-f", self._folder / name)
        config = self._folder / "sshd_config"
        config.write_text(f"""ListenAddress {self.host}
Port {PORT}
HostKey {self._folder}/host
PidFile {self._folder}/sshd.pid
AuthorizedKeysFile {self._folder}/user.pub
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
UsePAM no
Subsystem sftp internal-sftp
""")
        service = Service(self._undo, list(self._inside(sshd, "-D", "-e", "-f", str(config))), self._folder / "sshd.log")
        service.wait_ready(self._is_listening)

    def _is_listening(self) -> bool:
        try:
            socket.create_connection((self.host, PORT), timeout=1).close()
        except OSError:
            return False
        return True

    def sshfs_options(self) -> list[str]:
        options = (f"IdentityFile={self._folder}/user", "IdentitiesOnly=yes", "StrictHostKeyChecking=no",
                   "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes", "Ciphers=aes128-gcm@openssh.com",
                   "allow_other", "default_permissions", "reconnect", "ServerAliveInterval=5")
        return ["-p", str(PORT), *(word for option in options for word in ("-o", option))]

    def rclone_remote(self, exported: Path) -> str:
        """An SFTP remote without a configuration file."""
        return (f":sftp,host={self.host},port={PORT},user=root,key_file={self._folder}/user,shell_type=none,"
                f"ciphers=aes128-gcm@openssh.com:{exported}")
