"""What botocore does again for each client takes longer than most loads of a test: do it once.

Its answers stay the same: what is kept depends on nothing but the libraries' own files.
"""

from __future__ import annotations

import inspect
import marshal
import sys
from pathlib import Path
from typing import Any

import botocore.hooks
import botocore.httpsession
import pytest

from asyncload.s3.hooks.models import QuickFiles

read_model = QuickFiles.load_file
"""As the program reads a model: again each time."""

_END = "-----END CERTIFICATE-----\n"

# As it is imported, jsonschema would make 38 parsers, for formats of addresses that no test checks.
sys.modules.setdefault("rfc3987_syntax", None)


def quicken(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make further clients of this process start faster; `folder` is for files that stay."""
    _parse_models_once(patch)
    _trust_one_authority(patch, folder)
    _look_up_event_names_once(patch)
    _look_at_the_flags_of_handlers(patch)


def _parse_models_once(patch: pytest.MonkeyPatch) -> None:
    """All sessions share botocore's models, which take long to parse.

    botocore changes a service's model, but the same way each time; of the endpoints, to which it
    adds what was asked for, each session gets a copy.
    """
    kept: dict[str, Any] = {}

    def load_shared(self: QuickFiles, file_path: str) -> Any:
        if file_path not in kept:
            model = read_model(self, file_path)
            kept[file_path] = marshal.dumps(model) if _is_changed(file_path) else model
        return marshal.loads(kept[file_path]) if _is_changed(file_path) else kept[file_path]

    patch.setattr(QuickFiles, "load_file", load_shared)


def _is_changed(file_path: str) -> bool:
    return Path(file_path).name == "endpoints"


def _trust_one_authority(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Each connector loads the default bundle; no test meets a server that it vouches for."""
    bundle = folder / "cacert.pem"
    first, end, _ = Path(botocore.httpsession.where()).read_text().partition(_END)
    bundle.write_text(first + end)
    patch.setattr(botocore.httpsession, "where", lambda: str(bundle))


def _look_up_event_names_once(patch: pytest.MonkeyPatch) -> None:
    """Each session compares each name of an event with 150 aliases."""
    kept: dict[str, str] = {}
    make = botocore.hooks.EventAliaser.__init__

    def make_with_names(self: Any, event_emitter: Any, event_aliases: Any = None) -> None:
        make(self, event_emitter, event_aliases)
        if self._event_aliases == botocore.hooks.EVENT_ALIASES:
            self._alias_name_cache = kept

    patch.setattr(botocore.hooks.EventAliaser, "__init__", make_with_names)


def _look_at_the_flags_of_handlers(patch: pytest.MonkeyPatch) -> None:
    """Each handler's signature is parsed, only to know whether it takes any keyword."""
    parse = botocore.hooks.accepts_kwargs

    def accepts_kwargs(handler: Any) -> Any:
        code = getattr(handler, "__code__", None)
        return code.co_flags & inspect.CO_VARKEYWORDS if code else parse(handler)

    patch.setattr(botocore.hooks, "accepts_kwargs", accepts_kwargs)
