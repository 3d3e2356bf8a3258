"""Send a message through the Airflow notifier of its address."""

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
    """Mask secrets in a line: Airflow masks a task's log, but not the copy that the LocalExecutor prints."""
    from airflow.sdk.log import redact

    record.msg, record.args = redact(record.getMessage()), ()
    return True


log.addFilter(_mask)

#: Airflow ends a task's process 20 seconds after its outcome is known (core.task_success_overtime), and messages are
#: sent one after another.
TIMEOUT_SECONDS = 10


def send(address: Notify, message: Message, context: Context) -> None:
    """Send a message through the Airflow notifier of its address.

    Calls the notifier's `notify`: calling the notifier itself would render the text as a Jinja template. An error may
    contain braces, and a template can read every connection.
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
            # anybody who knows a webhook's path can post to it, and errors of requests show the path
            mask_secret(secret)

    class Hook(HttpHook):
        log = log  # the hook logs such errors itself

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
    # the hook, because the notifier ignores a failed delivery
    hook, services = AppriseHook(address.connection), Apprise()
    hook.set_config_from_conn(hook.get_connection(address.connection), services)
    if not services.notify(body=message.plain(), title=message.subject, body_format=NotifyFormat.TEXT):
        raise RuntimeError("Apprise could not deliver to every service of the connection; the lines above say why")


def _not_installed(address: Notify, package: str) -> Exception:
    from include.core.errors import ConfigError

    return ConfigError(
        f"notify: {address.to} needs the package {package}, which is not installed on the task's worker; "
        f"install it there with `pip install -c requirements.txt {package}`"
    )
