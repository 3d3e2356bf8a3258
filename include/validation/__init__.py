"""Validation by Great Expectations, which only the functions that use it import."""

import logging
import os

# Great Expectations sends usage statistics and logs every method call by default.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
logging.getLogger("great_expectations").setLevel(logging.WARNING)
