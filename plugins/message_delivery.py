"""Hand a message to Airflow's notifier of an address."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.notify import Notify
    from include.reports.messages import Message

log = logging.getLogger(__name__)


def _mask(record: logging.LogRecord) -> bool:
    """Mask a line here: Airflow masks a task's own log, and not the copy that the LocalExecutor writes of it."""
    from airflow.sdk.log import redact

    record.msg, record.args = redact(record.getMessage()), ()
    return True


log.addFilter(_mask)

#: Airflow ends a task's process this long after its outcome is known (core.task_success_overtime is 20 by default),
#: and the addresses are told one after another.
TIMEOUT_SECONDS = 10


def send(address: Notify, message: Message, context: Context) -> None:
    """Hand a message to Airflow's notifier of an address.

    Its `notify` is called and not the notifier, which would take the text for a Jinja template: an error may hold
    braces, and a template may read every connection.
    """
    {"email": _email, "slack": _slack, "webhook": _webhook, "apprise": _apprise}[address.to](address, message, context)


def _email(address: Notify, message: Message, context: Context) -> None:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    SmtpNotifier(
        to=address.recipients,
        subject=message.subject,
        html_content=message.html(),
        smtp_conn_id=address.connection,
    ).notify(context)


def _webhook(address: Notify, message: Message, context: Context) -> None:
    from airflow.providers.http.hooks.http import HttpHook
    from airflow.providers.http.notifications import HttpNotifier
    from airflow.sdk import Connection
    from airflow.sdk.log import mask_secret

    host = urlsplit(Connection.get(address.connection).host or "")
    for secret in (host.path.strip("/"), host.query):
        if secret:
            mask_secret(secret)  # whoever knows a webhook's path may post to it, and errors of requests show it

    class Hook(HttpHook):
        log = log  # type: ignore[assignment]  # it logs such errors itself

    notifier = HttpNotifier(
        http_conn_id=address.connection, json=message.json(), extra_options={"timeout": TIMEOUT_SECONDS}
    )
    notifier.hook = Hook(method="POST", http_conn_id=address.connection)
    notifier.notify(context)


def _slack(address: Notify, message: Message, context: Context) -> None:
    try:
        from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier
    except ImportError as error:
        raise _not_installed(address, "apache-airflow-providers-slack") from error
    SlackWebhookNotifier(
        slack_webhook_conn_id=address.connection, text=message.slack(), timeout=TIMEOUT_SECONDS, unfurl_links=False
    ).notify(context)


def _apprise(address: Notify, message: Message, context: Context) -> None:
    try:
        from airflow.providers.apprise.hooks.apprise import AppriseHook
        from apprise import Apprise, NotifyFormat
    except ImportError as error:
        raise _not_installed(address, "apache-airflow-providers-apprise") from error
    # the hook and not the notifier, which says nothing when Apprise could not deliver
    hook, services = AppriseHook(address.connection), Apprise()
    hook.set_config_from_conn(hook.get_connection(address.connection), services)
    if not services.notify(body=message.plain(), title=message.subject, body_format=NotifyFormat.TEXT):
        raise RuntimeError("Apprise could not deliver it to each of the connection's services; its own lines say why")


def _not_installed(address: Notify, package: str) -> Exception:
    from include.core.errors import ConfigError

    return ConfigError(
        f"notify: {address.to} needs the package {package}, which is not installed where the task ran; "
        f"install it there with `pip install -c requirements.txt {package}`"
    )
