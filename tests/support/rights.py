"""The rights of an ordinary user, for tests that may be run by root."""

from __future__ import annotations

import os
from contextlib import contextmanager

NOBODY = 65534


@contextmanager
def without_rights():
    """No more rights on files than an ordinary user has, be the tests run by root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
