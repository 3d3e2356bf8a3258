"""The layout of a message for each kind of recipient."""

from __future__ import annotations

from include.reports.messages import Link, Message
from include.reports.messages.message import SLACK_TEXT

MESSAGE = Message(
    event="failure",
    pipeline="shop",
    subject="shop: a < b",
    paragraphs=("It <b>failed</b> & stopped.",),
    table="a   b\n1 < 2",
    links=(Link("Log", "http://airflow.example/dags?x=1&y=2"),),
    facts={"try": 2},
)


def test_plain_text_has_all_but_the_subject() -> None:
    """Blank lines separate paragraphs, table and links."""
    assert MESSAGE.plain() == (
        "It <b>failed</b> & stopped.\n\na   b\n1 < 2\n\nLog: http://airflow.example/dags?x=1&y=2"
    )


def test_an_email_escapes_html() -> None:
    """An error becomes no markup, the table keeps its columns, and the link works."""
    text = MESSAGE.html()

    assert "<p>It &lt;b&gt;failed&lt;/b&gt; &amp; stopped.</p>" in text
    assert ">a   b\n1 &lt; 2</pre>" in text
    assert '<a href="http://airflow.example/dags?x=1&amp;y=2">' in text


def test_slack_markup_is_escaped() -> None:
    """The table is a code block, and the link has its label."""
    assert MESSAGE.slack() == (
        "*shop: a &lt; b*\nIt &lt;b&gt;failed&lt;/b&gt; &amp; stopped.\n```\na   b\n1 &lt; 2\n```\n"
        "<http://airflow.example/dags?x=1&y=2|Log>"
    )


def test_a_long_table_is_cut_for_slack_at_a_line() -> None:
    """Slack would split the message itself and show half of it as code."""
    table = "\n".join(f"row {number} of many" for number in range(1000))
    long = Message("verdict", "shop", "s", ("p",), table, (Link("Run", "http://airflow.example"),))

    text = long.slack()

    assert len(text) < SLACK_TEXT + 50
    assert text.endswith("\n...\n```\n<http://airflow.example|Run>")
    assert text.splitlines()[-4].endswith("of many")


def test_a_webhook_gets_the_parts_and_the_whole_text() -> None:
    """A chat server shows `text`; a program reads the rest."""
    assert MESSAGE.json() == {
        "event": "failure",
        "pipeline": "shop",
        "subject": "shop: a < b",
        "text": f"shop: a < b\n\n{MESSAGE.plain()}",
        "links": {"Log": "http://airflow.example/dags?x=1&y=2"},
        "facts": {"try": 2},
    }
