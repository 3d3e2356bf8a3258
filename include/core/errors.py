"""Every error that a user can cause, as one sentence: what was wrong, where, what to do."""

from __future__ import annotations


class NightshiftError(Exception):
    """Base of all named errors. A retry cannot mend it unless `retryable` says so."""

    retryable = False
    #: Whether a service must come back before a retry can mend it; asked of retryable errors only.
    service_away = True


class ConfigError(NightshiftError):
    """A pipeline's folder says something that cannot be run."""


class ConnectionMissing(NightshiftError):
    """A source names a connection that is not defined or not of the right kind."""


class SourceUnreadable(NightshiftError):
    """A source's query failed or its file cannot be read; `retryable` where the database did not answer."""


class SourceEmpty(NightshiftError):
    """A source has no rows for a day that it should have; they may still come."""

    retryable = True
    service_away = False


class SchemaMismatch(NightshiftError):
    """A source's columns or values are not of the declared types."""


class ExpectationsFailed(NightshiftError):
    """Rows break a critical expectation, so nothing was published."""


class QuarantineRefused(NightshiftError):
    """Rows in quarantine cannot be released or discarded as asked."""


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
    """features.sql does not run, or does not yield what pipeline.yaml declares."""


class FeatureLeak(NightshiftError):
    """A feature is another one when only what was known at its prediction time is read, or knows its row's label."""


class TrainingImpossible(NightshiftError):
    """The feature table cannot be learned from; `retryable` where the database of the trials does not answer."""


class ModelRefused(NightshiftError):
    """A model file is not what was registered, or holds something other than data."""


class EvaluationFailed(NightshiftError):
    """The challenger cannot be scored on the holdout."""


class ScoringImpossible(NightshiftError):
    """There is no champion, or it cannot predict the rows as they are."""


class TrackingUnavailable(NightshiftError):
    """MLflow does not answer, or refuses what is asked of it."""

    retryable = True


class RunMissing(NightshiftError):
    """A step asks for what an earlier step of the run should have left."""


class OtherRelease(NightshiftError):
    """What another release wrote can neither be read nor migrated by this one."""


class EmbeddedStackError(NightshiftError):
    """A part of the embedded stack cannot start, or has ended."""


class BackupFailed(NightshiftError):
    """A backup cannot be made, or would not be whole; nothing that looks like one is left."""


class RestoreRefused(NightshiftError):
    """A backup is not what was written, or there is something already where it would go."""
