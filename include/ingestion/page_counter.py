"""Counts the records of an API's pages, and checks that the last page is the end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include.core.errors import SourceUnreadable
from include.ingestion import response_fields
from include.ingestion.page import declared_paths, describe, retryable

if TYPE_CHECKING:
    from include.config.sources.http_source import HttpSource
    from include.ingestion.page import Page

log = logging.getLogger(__name__)


class PageCounter:
    """Counts the records of a sequence of pages and compares the count with what the API declares."""

    def __init__(self, source: HttpSource) -> None:
        self.paging, self.paths = source.paging, declared_paths(source)
        self.records = 0
        self.total: int | None = None

    def add(self, page: Page, here: str) -> None:
        """Count a page's records and compare its declared total with the one of the page before."""
        self.records += len(page.records)
        if self.paging is None or not self.paging.total:
            return
        value = page.at(self.paging.total)
        total = response_fields.whole_number(value)
        if total is None:
            raise SourceUnreadable(
                f"{here}: the API's response has {describe(value)} at '{self.paging.total}', where paging.total "
                "expects the number of all records; correct paging.total; nothing was published"
            )
        if self.total not in (None, total):
            raise retryable(
                f"{here}: the API's total changed from {self.total:,} to {total:,}, so its records changed while they "
                "were being read; run this task again; nothing was published"
            )
        self.total = total

    @property
    def reached_total(self) -> bool:
        """Whether the API declares a total and at least that many records were read."""
        return self.total is not None and self.records >= self.total

    def check_total(self, here: str) -> None:
        """Raise if the number of records differs from the total that the API declares."""
        if self.paging and self.total is not None and self.total != self.records:
            raise retryable(
                f"{here}: the pages end after {self.records:,} records, and the API's '{self.paging.total}' declares "
                f"{self.total:,}; run this task again, or correct paging.total if it counts something else; nothing "
                "was published"
            )

    def check_end(self, page: Page, here: str) -> None:
        """Raise if the last page does not look like the end."""
        paging = self.paging
        self.check_total(here)
        if paging and paging.style == "one_answer":
            return
        if (
            page.found is None
            and self.records
            and self.total is None
            and (paging is None or paging.last != "null_page")
        ):
            raise retryable(
                f"{here}: the API's response has null in place of a list after {self.records:,} records, which does "
                "not mean that these are all; run this task again, or declare by paging.last: null_page that null "
                "ends this API's pages; nothing was published"
            )
        if more := self._announced_more(page):
            remedy = "correct `paging`, such as its more or next"
            if paging is None:
                remedy = "declare by `paging` how the API splits its responses (style: one_answer if it does not)"
            raise SourceUnreadable(
                f"{here}: the pages end after {self.records:,} records, and the API's response announces more "
                f"by {more}; {remedy}; nothing was published"
            )
        total = self._larger_total(page)
        if total and paging:
            log.warning(
                "%s: the pages end after %s records, and the API's response has %s; if this is the number of all "
                "records, declare it by paging.total, so that a shorter read is refused",
                here,
                f"{self.records:,}",
                total,
            )

    def _announced_more(self, page: Page) -> str | None:
        """Return the field by which a page announces another one, for a sentence; None if it does not."""
        paging, body = self.paging, page.body
        if paging and paging.more:
            return f"'{paging.more}'" if response_fields.boolean(response_fields.at(body, paging.more)) else None
        more = response_fields.find_more(body, self.paths) or self._unfollowed_next(page)
        if more or paging:
            return more and f"'{more}'"
        pages = response_fields.find_page_count(body, self.paths, page.response.headers)
        return self._larger_total(page) or (f"{pages[1]:,} at '{pages[0]}'" if pages and pages[1] > 1 else None)

    def _larger_total(self, page: Page) -> str | None:
        """Return, for a sentence, an undeclared total that is larger than the number of records read."""
        total = response_fields.find_total(page.body, self.paths, page.response.headers) if self.total is None else None
        return f"{total[1]:,} at '{total[0]}'" if total and total[1] > self.records else None

    def _unfollowed_next(self, page: Page) -> str | None:
        """Return the link to a next page that `paging` does not follow; None if the API declares the end otherwise."""
        ends_here = self.paging is None or (self.paging.last == "short_page" and self.total is None)
        if not page.records or not ends_here:
            return None
        if page.next_link(""):
            return "Link"
        return response_fields.find_next(page.body, self.paths, page.response.headers)
