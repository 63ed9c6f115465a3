"""Sending mail: to a mail server over SMTP (RFC 5321), or as files into a folder where people can look at it."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from dashboard.billing.notices.mails import Failure
from dashboard.clock import Clock
from dashboard.config import LOOPBACK, Settings

# Whole seconds for each answer of a mail server.
TIMEOUT = 20
PORTS = {"smtp": 587, "smtps": 465}
NOBODY = "Countinghouse <no-reply@localhost>"


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to be sent. `name` is the same for each try: it makes the Message-ID and the name of the file."""

    name: str
    recipient: str
    subject: str
    text: str
    html: str


class MailSender(Protocol):
    """Takes letters."""

    def send(self, letter: Letter) -> Failure | None:
        """Send one; None when it was taken."""


class SmtpSender:
    """Gives letters to a mail server; over TLS, except to one on this machine that offers none."""

    def __init__(self, url: str, sender: str, clock: Clock, *, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or PORTS[parts.scheme]
        self._is_tls_at_once = parts.scheme == "smtps"
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._sender, self._clock = sender, clock
        self._tls = tls or ssl.create_default_context()

    def send(self, letter: Letter) -> Failure | None:
        """Send one. A 5xx answer to it is final (RFC 5321, 4.2.1); one to us (to log in, say) may be mended."""
        try:
            message = compose(letter, self._sender, self._clock)
            with self._connect() as server:
                server.send_message(message, to_addrs=[letter.recipient])
        except smtplib.SMTPRecipientsRefused as refusal:
            code, reason = next(iter(refusal.recipients.values()))
            return Failure(f"{code} {_words(reason)}", permanent=500 <= code < 600)
        except smtplib.SMTPDataError as refusal:
            return Failure(
                f"{refusal.smtp_code} {_words(refusal.smtp_error)}", permanent=500 <= refusal.smtp_code < 600
            )
        except ssl.SSLCertVerificationError as error:
            # Nothing was said yet but greetings: neither the password nor the mail.
            why = f"The certificate of {self._host} was refused: {error.verify_message.rstrip('.')}."
            return Failure(why, permanent=False)
        except (smtplib.SMTPException, OSError) as error:
            return Failure(f"{type(error).__name__}: {error}", permanent=False)
        except ValueError as error:
            return Failure(str(error), permanent=True)
        return None

    def _connect(self) -> smtplib.SMTP:
        if self._is_tls_at_once:
            server: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, timeout=TIMEOUT, context=self._tls)
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT)
        try:
            server.ehlo()
            if not self._is_tls_at_once and (server.has_extn("starttls") or self._host not in LOOPBACK):
                server.starttls(context=self._tls)
                server.ehlo()
            if self._user:
                server.login(self._user, self._password)
        except BaseException:
            server.close()
            raise
        return server


class OutboxSender:
    """Writes letters into a folder as .eml files, which mail programs open. The same letter is the same file."""

    def __init__(self, folder: Path, sender: str, clock: Clock) -> None:
        self._folder, self._sender, self._clock = folder, sender, clock

    def send(self, letter: Letter) -> Failure | None:
        """Write one."""
        try:
            message = compose(letter, self._sender, self._clock)
            self._folder.mkdir(parents=True, exist_ok=True)
            half = self._folder / f".{letter.name}"
            half.write_bytes(message.as_bytes())
            half.replace(self._folder / f"{letter.name}.eml")
        except OSError as error:
            return Failure(str(error), permanent=False)
        except ValueError as error:
            return Failure(str(error), permanent=True)
        return None


def build_sender(settings: Settings, clock: Clock) -> MailSender | None:
    """The sender that the settings name, or None where they name none."""
    sender = settings.mail_from or NOBODY
    if settings.mail_url:
        return SmtpSender(settings.mail_url.get_secret_value(), sender, clock)
    return OutboxSender(settings.mail_outbox, sender, clock) if settings.mail_outbox else None


def compose(letter: Letter, sender: str, clock: Clock) -> EmailMessage:
    """The message, as text and as HTML.

    Raises `ValueError` where a header would hold a line break.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = letter.recipient
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(clock.now())
    domain = parseaddr(sender)[1].rpartition("@")[2]
    message["Message-ID"] = f"<{letter.name}@{domain}>"
    # Out-of-office answers would go to nobody (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message


def _words(answer: bytes | str) -> str:
    return answer.decode(errors="replace") if isinstance(answer, bytes) else answer
