"""Describe the machine of a measurement, without identifying it."""

from __future__ import annotations

import os
import platform
import ssl
from pathlib import Path


def describe_machine() -> dict[str, str | int]:
    """Return cores, processor, memory, kernel, Python and its OpenSSL."""
    return {
        "cores": os.cpu_count() or 0,
        "processor": _field("/proc/cpuinfo", "model name"),
        "memory_gib": round(int(_field("/proc/meminfo", "MemTotal").split()[0]) / 1024**2),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION.split()[1],
    }


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "0 unknown"
