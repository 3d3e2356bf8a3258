"""The schema of `notify` in pipeline.yaml: who is told of what, by which connection."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from include.config.section import Section

Event = Literal["verdict", "drift", "failure", "approval", "outage"]
Kind = Literal["email", "slack", "webhook", "apprise"]


class Notify(Section):
    """One address, and the events that it is told of."""

    to: Kind = Field(description="email (SMTP), slack (an incoming webhook), webhook (JSON by POST) or apprise.")
    connection: Annotated[str, Field(min_length=1)] = Field(
        description="Airflow's connection; address, password and token are there and never here."
    )
    recipients: list[str] = Field(default=[], description="Addresses of an email.")
    events: list[Event] = Field(
        default=["verdict", "drift", "failure", "approval", "outage"],
        min_length=1,
        description="verdict: what a retraining came to. drift: the monitor has an alert. failure: a task's last try. "
        "approval: an answer is awaited. outage: a service is away, and a task waits for it.",
    )

    @model_validator(mode="before")
    @classmethod
    def _on_is_no_field(cls, item: Any) -> Any:
        if isinstance(item, dict) and "on" in item:
            raise ValueError("the field is `events`, and not `on`")
        return item

    @field_validator("recipients")
    @classmethod
    def _are_addresses(cls, recipients: list[str]) -> list[str]:
        for each in recipients:
            name, at, host = each.partition("@")
            if not (name and at and host) or any(letter in " ,;\r\n" for letter in each):
                raise ValueError(f"'{each}' is not one email address; write a list such as [team@example.org]")
        return recipients

    @field_validator("connection")
    @classmethod
    def _is_no_address(cls, connection: str) -> str:
        if "://" in connection:
            # not repeated: addresses of webhooks are secrets
            raise ValueError("this is an address, and a connection's name is expected; keep the address in Airflow")
        return connection

    @model_validator(mode="after")
    def _recipients_are_of_emails(self) -> Notify:
        if self.to == "email" and not self.recipients:
            raise ValueError("an email needs recipients, such as `recipients: [team@example.org]`")
        if self.to != "email" and self.recipients:
            raise ValueError(f"recipients are those of an email; {self.to} goes where its connection leads")
        return self
