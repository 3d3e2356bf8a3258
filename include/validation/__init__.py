"""Validation with Great Expectations, which is imported in the functions that use it."""

import logging
import os

# Great Expectations reports its use to its makers, and logs each of its methods, unless it is told not to.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
logging.getLogger("great_expectations").setLevel(logging.WARNING)
