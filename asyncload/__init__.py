"""Load a volume of CSV files into the raw zone of an S3 data lake.

    report = await asyncload.load(asyncload.Settings(volume=Path("data"), bucket="lake"))

`load`, `plan`, `watch`, `collect`, `verify`, `clean`, `check` and `diagnose` are the operations,
`Settings` and `CollectSettings` their options, and `Report`, `Preview`, `WatchResult`,
`Verification`, `Cleanup`, `CheckReport` and `Diagnosis` their results. Events,
outcomes and errors are exported, too. The names in `__all__` are public; everything else may
change.
"""

from __future__ import annotations

from asyncload.model import version

__version__ = version.VERSION

# Not from `typing`, whose import takes half of the time until signals are handled.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncload.errors import (
        AccessDenied,
        AnswerDamaged,
        AnswerTooLarge,
        ApiError,
        ApiRefused,
        ApiThrottled,
        ApiUnavailable,
        ArchiveUnreadable,
        AsyncloadError,
        BucketNotFound,
        ChecksumMismatch,
        ClocksDisagree,
        ClusterUnusable,
        CredentialsMissing,
        CredentialsRejected,
        DeadlineReached,
        EndlessListing,
        EndpointRefused,
        FileFailed,
        Interrupted,
        InvalidKey,
        KeyCollision,
        MemberDamaged,
        MemberRefused,
        NothingToLoad,
        NotVerified,
        ObjectConflict,
        ObserverFailed,
        OutOfMemory,
        OutOfThreads,
        PartNotRecorded,
        ProtectionIgnored,
        Refused,
        RequestLimitReached,
        RequestRejected,
        ServerError,
        ShardRefused,
        SourceChanged,
        SourceStalled,
        SourceTooLarge,
        SourceUnreadable,
        StoreError,
        StoreRefused,
        StoreUnavailable,
        Throttled,
        TimedOut,
        TokenRejected,
        TooManyOpenFiles,
        UnknownName,
        UsageError,
        WorkersLost,
        WrongRegion,
    )
    from asyncload.model.values import (
        ApiRequestsMade,
        Checksum,
        ConcurrencyChanged,
        ConcurrencySettled,
        Disposed,
        Event,
        Excluded,
        Failed,
        FileFinished,
        FileState,
        LoadStarted,
        LoadStartedEarly,
        ManifestWritten,
        MarkerFailed,
        ObjectKey,
        Outcome,
        PartitionUnmarked,
        PartKept,
        PartSent,
        Present,
        ProcessesStarted,
        RequestMade,
        RequestsMade,
        RunStarted,
        Scanned,
        ShardJoined,
        Skipped,
        StaleUploadAborted,
        StoreJudged,
        Unchanged,
        Uploaded,
        UploadLeftOpen,
        Warned,
        WatchProgress,
    )
    from asyncload.operations.check import check
    from asyncload.operations.clean import clean
    from asyncload.operations.collect import collect
    from asyncload.operations.doctor.diagnose import diagnose
    from asyncload.operations.load import load
    from asyncload.operations.plan import plan
    from asyncload.operations.verify import verify
    from asyncload.operations.watch import WatchOptions, WatchResult, watch
    from asyncload.reporting.cleanup import (
        CleanEvent,
        Cleanup,
        CleanupStarted,
        Leftover,
        SkippedUpload,
    )
    from asyncload.reporting.diagnosis import Check, Diagnosis, DoctorEvent, Remnant
    from asyncload.reporting.preview import (
        FilePlanned,
        PlanEvent,
        PlannedFiles,
        PlannedPartition,
        PlanStarted,
        Preview,
        Prices,
        RequestCounts,
        RequestsPlanned,
    )
    from asyncload.reporting.report import FailureGroup, Report
    from asyncload.reporting.tables.results import (
        CheckEvent,
        CheckReport,
        DatasetChecked,
        Header,
    )
    from asyncload.reporting.verification import (
        Difference,
        FileVerified,
        Marking,
        Verification,
        VerificationStarted,
        VerifyEvent,
    )
    from asyncload.settings.collect import CollectSettings, collect_settings
    from asyncload.settings.run import Settings
    from asyncload.source.tables.values import CheckedFile, Column, Dialect, Finding
    from asyncload.store.protocol import OpenUpload

__all__ = [
    "AccessDenied",
    "AnswerDamaged",
    "AnswerTooLarge",
    "ApiError",
    "ApiRefused",
    "ApiRequestsMade",
    "ApiThrottled",
    "ApiUnavailable",
    "ArchiveUnreadable",
    "AsyncloadError",
    "BucketNotFound",
    "Check",
    "CheckEvent",
    "CheckReport",
    "CheckedFile",
    "Checksum",
    "ChecksumMismatch",
    "CleanEvent",
    "Cleanup",
    "CleanupStarted",
    "ClocksDisagree",
    "ClusterUnusable",
    "CollectSettings",
    "Column",
    "ConcurrencyChanged",
    "ConcurrencySettled",
    "CredentialsMissing",
    "CredentialsRejected",
    "DatasetChecked",
    "DeadlineReached",
    "Diagnosis",
    "Dialect",
    "Difference",
    "Disposed",
    "DoctorEvent",
    "EndlessListing",
    "EndpointRefused",
    "Event",
    "Excluded",
    "Failed",
    "FailureGroup",
    "FileFailed",
    "FileFinished",
    "FilePlanned",
    "FileState",
    "FileVerified",
    "Finding",
    "Header",
    "Interrupted",
    "InvalidKey",
    "KeyCollision",
    "Leftover",
    "LoadStarted",
    "LoadStartedEarly",
    "ManifestWritten",
    "MarkerFailed",
    "Marking",
    "MemberDamaged",
    "MemberRefused",
    "NotVerified",
    "NothingToLoad",
    "ObjectConflict",
    "ObjectKey",
    "ObserverFailed",
    "OpenUpload",
    "OutOfMemory",
    "OutOfThreads",
    "Outcome",
    "PartKept",
    "PartNotRecorded",
    "PartSent",
    "PartitionUnmarked",
    "PlanEvent",
    "PlanStarted",
    "PlannedFiles",
    "PlannedPartition",
    "Present",
    "Preview",
    "Prices",
    "ProcessesStarted",
    "ProtectionIgnored",
    "Refused",
    "Remnant",
    "Report",
    "RequestCounts",
    "RequestLimitReached",
    "RequestMade",
    "RequestRejected",
    "RequestsMade",
    "RequestsPlanned",
    "RunStarted",
    "Scanned",
    "ServerError",
    "Settings",
    "ShardJoined",
    "ShardRefused",
    "Skipped",
    "SkippedUpload",
    "SourceChanged",
    "SourceStalled",
    "SourceTooLarge",
    "SourceUnreadable",
    "StaleUploadAborted",
    "StoreError",
    "StoreJudged",
    "StoreRefused",
    "StoreUnavailable",
    "Throttled",
    "TimedOut",
    "TokenRejected",
    "TooManyOpenFiles",
    "Unchanged",
    "UnknownName",
    "UploadLeftOpen",
    "Uploaded",
    "UsageError",
    "Verification",
    "VerificationStarted",
    "VerifyEvent",
    "Warned",
    "WatchOptions",
    "WatchProgress",
    "WatchResult",
    "WorkersLost",
    "WrongRegion",
    "__version__",
    "check",
    "clean",
    "collect",
    "collect_settings",
    "diagnose",
    "load",
    "plan",
    "verify",
    "watch",
]

# The public names of each module, below `asyncload`.
_NAMES = {
    "errors": """
        AccessDenied AnswerDamaged AnswerTooLarge ApiError ApiRefused ApiThrottled ApiUnavailable
        ArchiveUnreadable AsyncloadError BucketNotFound ChecksumMismatch ClocksDisagree
        ClusterUnusable CredentialsMissing CredentialsRejected DeadlineReached EndlessListing
        EndpointRefused FileFailed Interrupted InvalidKey KeyCollision MemberDamaged MemberRefused
        NotVerified NothingToLoad ObjectConflict ObserverFailed OutOfMemory OutOfThreads
        PartNotRecorded ProtectionIgnored Refused RequestLimitReached RequestRejected ServerError
        ShardRefused SourceChanged SourceStalled SourceTooLarge SourceUnreadable StoreError
        StoreRefused StoreUnavailable Throttled TimedOut TokenRejected TooManyOpenFiles
        UnknownName UsageError WorkersLost WrongRegion
    """,
    "model.values": """
        ApiRequestsMade Checksum ConcurrencyChanged ConcurrencySettled Disposed Event Excluded
        Failed FileFinished FileState LoadStarted LoadStartedEarly ManifestWritten MarkerFailed
        ObjectKey Outcome PartKept PartSent PartitionUnmarked Present ProcessesStarted RequestMade
        RequestsMade RunStarted Scanned ShardJoined Skipped StaleUploadAborted StoreJudged Unchanged
        UploadLeftOpen Uploaded Warned WatchProgress
    """,
    "operations.check": "check",
    "operations.clean": "clean",
    "operations.collect": "collect",
    "operations.doctor.diagnose": "diagnose",
    "operations.load": "load",
    "operations.plan": "plan",
    "operations.verify": "verify",
    "operations.watch": "WatchOptions WatchResult watch",
    "reporting.cleanup": "CleanEvent Cleanup CleanupStarted Leftover SkippedUpload",
    "reporting.diagnosis": "Check Diagnosis DoctorEvent Remnant",
    "reporting.preview": """
        FilePlanned PlanEvent PlanStarted PlannedFiles PlannedPartition Preview Prices RequestCounts
        RequestsPlanned
    """,
    "reporting.report": "FailureGroup Report",
    "reporting.tables.results": "CheckEvent CheckReport DatasetChecked Header",
    "reporting.verification": """
        Difference FileVerified Marking Verification VerificationStarted VerifyEvent
    """,
    "settings.collect": "CollectSettings collect_settings",
    "settings.run": "Settings",
    "source.tables.values": "CheckedFile Column Dialect Finding",
    "store.protocol": "OpenUpload",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: `asyncload --help` should not wait for S3."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"asyncload.{_HOMES[name]}"), name)
