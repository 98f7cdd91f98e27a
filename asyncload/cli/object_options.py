"""The options of `asyncload run` that say how objects are stored, and what is recorded of a run."""

from __future__ import annotations

from typing import Annotated

import typer

_OBJECTS = "How objects are stored"
_RECORD = "What is recorded"

ManifestOption = Annotated[
    bool,
    typer.Option(
        "--manifest/--no-manifest",
        envvar="ASYNCLOAD_MANIFEST",
        rich_help_panel=_RECORD,
        help="Write a record of the run into the bucket, beside the data.",
    ),
]
ManifestPrefix = Annotated[
    str,
    typer.Option(
        envvar="ASYNCLOAD_MANIFEST_PREFIX",
        metavar="PREFIX",
        rich_help_panel=_RECORD,
        help="Where manifests go.",
    ),
]
SuccessMarker = Annotated[
    bool,
    typer.Option(
        "--success-marker",
        envvar="ASYNCLOAD_SUCCESS_MARKER",
        rich_help_panel=_RECORD,
        help="Write _SUCCESS into each partition at the end, if all of its files landed.",
    ),
]
RequireCreateOnly = Annotated[
    bool,
    typer.Option(
        "--require-create-only",
        envvar="ASYNCLOAD_REQUIRE_CREATE_ONLY",
        rich_help_panel=_RECORD,
        help="Refuse a store that ignores If-None-Match, so that objects could be replaced.",
    ),
]
StorageClass = Annotated[
    str | None,
    typer.Option(
        envvar="ASYNCLOAD_STORAGE_CLASS",
        metavar="CLASS",
        rich_help_panel=_OBJECTS,
        help="Storage class of the CSVs, such as STANDARD_IA.",
    ),
]
Sse = Annotated[
    str | None,
    typer.Option(
        envvar="ASYNCLOAD_SSE",
        metavar="NAME",
        rich_help_panel=_OBJECTS,
        help="Server-side encryption: AES256, aws:kms or aws:kms:dsse.",
    ),
]
SseKmsKeyId = Annotated[
    str | None,
    typer.Option(
        envvar="ASYNCLOAD_SSE_KMS_KEY_ID",
        metavar="ID",
        rich_help_panel=_OBJECTS,
        help="KMS key to encrypt with; means --sse aws:kms.",
    ),
]
Tag = Annotated[
    list[str] | None,
    typer.Option(
        envvar="ASYNCLOAD_TAG",
        metavar="KEY=VALUE",
        rich_help_panel=_OBJECTS,
        help="Tag of each CSV's object; may be given several times.",
    ),
]
Metadata = Annotated[
    list[str] | None,
    typer.Option(
        envvar="ASYNCLOAD_METADATA",
        metavar="KEY=VALUE",
        rich_help_panel=_OBJECTS,
        help="Metadata of each CSV's object; may be given several times.",
    ),
]
Acl = Annotated[
    str | None,
    typer.Option(
        envvar="ASYNCLOAD_ACL",
        metavar="NAME",
        rich_help_panel=_OBJECTS,
        help="Canned ACL of the objects, such as bucket-owner-full-control.",
    ),
]
