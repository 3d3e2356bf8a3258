"""All errors that a user can cause; each message says what was wrong, where, and what to do."""

from __future__ import annotations


class NightshiftError(Exception):
    """Base of all named errors; retrying helps only if `retryable` is true."""

    retryable = False
    #: Whether a retry can help only after a service is back; read for retryable errors only.
    service_away = True


class ConfigError(NightshiftError):
    """A pipeline's folder is not valid."""


class ConnectionMissing(NightshiftError):
    """A source names a connection that is not defined or has the wrong type."""


class SourceUnreadable(NightshiftError):
    """A source's query failed or its file cannot be read; `retryable` if the database did not answer."""


class SourceEmpty(NightshiftError):
    """A source has no rows for a day that should have some; they may still arrive."""

    retryable = True
    service_away = False


class SchemaMismatch(NightshiftError):
    """A source's columns or values do not have the declared types."""


class ExpectationsFailed(NightshiftError):
    """Rows violate a critical expectation, so nothing was published."""


class QuarantineRefused(NightshiftError):
    """Quarantined rows cannot be released or discarded as requested."""


class LakeError(NightshiftError):
    """A lake table is missing, or cannot be read or written."""

    retryable = True


class PublishConflict(NightshiftError):
    """Another run changed the same partitions at the same time."""

    retryable = True
    service_away = False


class NotIngested(NightshiftError):
    """The lake does not hold the days that a run needs."""


class FeatureQueryFailed(NightshiftError):
    """features.sql does not run, or does not return the columns that pipeline.yaml declares."""


class FeatureLeak(NightshiftError):
    """A feature uses rows that were not known at its prediction time, or depends on the label of its own row."""


class TrainingImpossible(NightshiftError):
    """No model can learn from the feature table; `retryable` if the database of the trials does not answer."""


class ModelRefused(NightshiftError):
    """A model file differs from the registered one, or contains more than data."""


class EvaluationFailed(NightshiftError):
    """The challenger cannot be scored on the holdout."""


class ScoringImpossible(NightshiftError):
    """There is no champion, or it cannot predict the rows."""


class TrackingUnavailable(NightshiftError):
    """MLflow does not answer, or refuses a request."""

    retryable = True


class RunMissing(NightshiftError):
    """A step needs a file that an earlier step of the run should have written."""


class OtherRelease(NightshiftError):
    """A file of another release can neither be read nor migrated."""


class EmbeddedStackError(NightshiftError):
    """A part of the embedded stack cannot start, or has ended."""


class BackupFailed(NightshiftError):
    """A backup cannot be made, or would be incomplete; no partial backup is left."""


class RestoreRefused(NightshiftError):
    """A backup was changed since it was written, or the place to restore it to is not empty."""
