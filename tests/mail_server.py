"""A mail server for tests: real SMTP over a socket, every mail kept, answers as told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread


@dataclass
class MailServer:
    """Mails so far as (recipient, message). `refusals` are answers for the next recipients, `after_data` for mails."""

    url: str = ""
    mails: list[tuple[str, EmailMessage]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    after_data: list[str] = field(default_factory=list)

    def text_for(self, recipient: str) -> str:
        """The plain text of the last mail to this address."""
        message = [each for to, each in self.mails if to == recipient][-1]
        part = message.get_body(("plain",))
        assert part is not None
        return str(part.get_content())

    @property
    def recipients(self) -> list[str]:
        """Who got mail, in order."""
        return [recipient for recipient, _ in self.mails]


@contextmanager
def serving_mail() -> Iterator[MailServer]:
    """A mail server on a port of its own, on this machine."""
    state = MailServer()

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 tests ready")
            recipient = ""
            while line := self.rfile.readline().decode().strip():
                verb = line.split(":")[0].upper()
                if verb.startswith(("EHLO", "HELO")):
                    self.say("250 tests")
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
            self.say(answer)

        def say(self, answer: str) -> None:
            self.wfile.write(f"{answer}\r\n".encode())

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        state.url = f"smtp://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield state
        server.shutdown()
        thread.join()
