"""The schema of `notify` in pipeline.yaml: who receives which events, by which connection."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from include.config.section import Section

Event = Literal["verdict", "drift", "failure", "approval", "outage"]
Kind = Literal["email", "slack", "webhook", "apprise"]


class Notify(Section):
    """One recipient and the events that it receives."""

    to: Kind = Field(description="email (SMTP), slack (an incoming webhook), webhook (JSON by POST) or apprise.")
    connection: Annotated[str, Field(min_length=1)] = Field(
        description="Id of the Airflow Connection, which has the address, password and token; none of them belongs "
        "here."
    )
    recipients: list[str] = Field(default=[], description="Email addresses.")
    events: list[Event] = Field(
        default=["verdict", "drift", "failure", "approval", "outage"],
        min_length=1,
        description="verdict: the result of a retraining. drift: an alert of the monitor. failure: a task failed its "
        "last try. approval: a promotion waits for an answer. outage: a service is down, and a task waits for it.",
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_on(cls, item: Any) -> Any:
        if isinstance(item, dict) and "on" in item:
            raise ValueError("the field is `events`, and not `on`")
        return item

    @field_validator("recipients")
    @classmethod
    def _check_addresses(cls, recipients: list[str]) -> list[str]:
        for each in recipients:
            name, at, host = each.partition("@")
            if not (name and at and host) or any(letter in " ,;\r\n" for letter in each):
                raise ValueError(f"'{each}' is not one email address; write a list such as [team@example.org]")
        return recipients

    @field_validator("connection")
    @classmethod
    def _refuse_address(cls, connection: str) -> str:
        if "://" in connection:
            # the error does not repeat it: a webhook's address is a secret
            raise ValueError("this is an address, and a connection's id is expected; keep the address in Airflow")
        return connection

    @model_validator(mode="after")
    def _check_recipients(self) -> Notify:
        if self.to == "email" and not self.recipients:
            raise ValueError("an email needs recipients, such as `recipients: [team@example.org]`")
        if self.to != "email" and self.recipients:
            raise ValueError(f"only an email has recipients; the connection of {self.to} has the address")
        return self
