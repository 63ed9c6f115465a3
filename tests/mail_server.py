"""A mail server for tests: real SMTP over a socket, with TLS or without, every mail kept, answers as told."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Literal

from trustme import CA


@dataclass
class MailServer:
    """Mails so far as (recipient, message), and the version of TLS of each, None without.

    `refusals` are answers for the next recipients, `after_data` for mails. `authority` vouches for its certificate,
    which is for 127.0.0.1 only: "localhost" is a wrong name.
    """

    url: str = ""
    mails: list[tuple[str, EmailMessage]] = field(default_factory=list)
    versions: list[str | None] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    after_data: list[str] = field(default_factory=list)
    authority: CA = field(default_factory=CA)

    def text_for(self, recipient: str) -> str:
        """The plain text of the last mail to this address."""
        message = [each for to, each in self.mails if to == recipient][-1]
        part = message.get_body(("plain",))
        assert part is not None
        return str(part.get_content())

    @property
    def settings(self) -> dict[str, object]:
        """What sends mails here."""
        return {"mail_url": self.url, "mail_from": "Countinghouse <no-reply@countinghouse.example>"}

    @property
    def recipients(self) -> list[str]:
        """Who got mail, in order."""
        return [recipient for recipient, _ in self.mails]


@contextmanager
def serving_mail(tls: Literal["smtps", "starttls"] | None = None) -> Iterator[MailServer]:
    """A mail server on a port of its own, on this machine; with `tls` from the start, or once it is asked for."""
    state = MailServer()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    if tls:
        state.authority.issue_cert("127.0.0.1").configure_cert(context)

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            try:
                if tls == "smtps":
                    self.begin_tls()
                self.talk()
            except OSError:  # the client did not like the certificate, and went
                return

        def begin_tls(self) -> None:
            self.rfile.close()
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb")

        def talk(self) -> None:
            self.say("220 tests ready")
            recipient = ""
            while line := self.rfile.readline().decode().strip():
                verb = line.split(":")[0].upper()
                if verb.startswith(("EHLO", "HELO")):
                    self.say("250-tests\r\n250 STARTTLS" if tls == "starttls" else "250 tests")
                elif verb == "STARTTLS":
                    self.say("220 go on")
                    self.begin_tls()
                elif verb == "RCPT TO":
                    recipient = re.findall("<(.*)>", line)[0]
                    self.say(state.refusals.pop(0) if state.refusals else "250 ok")
                elif verb == "DATA":
                    self.take(recipient)
                elif verb == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 ok")

        def take(self, recipient: str) -> None:
            self.say("354 go on")
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line[1:] if line.startswith(b".") else line)
            message = message_from_bytes(b"".join(lines), policy=default)
            assert isinstance(message, EmailMessage)
            answer = state.after_data.pop(0) if state.after_data else "250 taken"
            if answer.startswith("2"):
                state.mails.append((recipient, message))
                state.versions.append(self.connection.version() if isinstance(self.connection, ssl.SSLSocket) else None)
            self.say(answer)

        def say(self, answer: str) -> None:
            self.connection.sendall(f"{answer}\r\n".encode())

        def finish(self) -> None:
            super().finish()
            self.connection.close()

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        state.url = f"{'smtps' if tls == 'smtps' else 'smtp'}://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield state
        server.shutdown()
        thread.join()
