"""A mail server on this machine that keeps what it is sent; as much of SMTP as smtplib speaks without a login."""

from __future__ import annotations

import json
import socketserver
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage


@dataclass
class Mailbox:
    """A running server, and the messages that came, in their order."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)

    def connection(self) -> str:
        """Return the value of an AIRFLOW_CONN_ variable that leads here."""
        extra = {"from_email": "nightshift@example.org", "disable_ssl": True, "disable_tls": True, "retry_limit": 0}
        return json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": self.port, "extra": extra})


def body(mail: EmailMessage) -> str:
    """Return the text of an email's one part."""
    [part] = [each for each in mail.walk() if not each.is_multipart()]
    return part.get_content()


@contextmanager
def serve() -> Iterator[Mailbox]:
    """Take in emails until the block ends."""
    box = Mailbox()

    class Session(socketserver.StreamRequestHandler):
        timeout = 60

        def handle(self) -> None:
            self.answer(220, "a mailbox of the tests")
            to: list[str] = []
            while line := self.rfile.readline():
                verb, _, rest = line.decode().strip().partition(" ")
                if verb.upper() == "RCPT":
                    to.append(rest.partition("<")[2].partition(">")[0])
                if verb.upper() == "DATA":
                    self.answer(354, "go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    text = b"".join(each.removeprefix(b".") for each in lines)
                    box.mails.append(message_from_bytes(text, policy=policy.default))
                    box.recipients.append(to)
                if verb.upper() == "QUIT":
                    return self.answer(221, "bye")
                self.answer(250, "yes")
            return None

        def answer(self, code: int, text: str) -> None:
            self.wfile.write(f"{code} {text}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        box.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield box
        server.shutdown()
        thread.join()
