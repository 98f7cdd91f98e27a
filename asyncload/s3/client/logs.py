"""Keep the libraries' logs off the terminal, and secrets out of them."""

from __future__ import annotations

import logging

_LIBRARIES = ("aioboto3", "aiobotocore", "boto3", "botocore", "aiohttp")
_NOWHERE = logging.NullHandler()


def cap_loggers() -> None:
    """Keep the libraries from logging secrets, and from printing tracebacks to standard error.

    At debug level they log session tokens and signatures, no matter which logger has that level.
    Their warnings precede errors that we raise; a program that configures logging still gets them.
    """
    for name in _LIBRARIES:
        logging.getLogger(name).addHandler(_NOWHERE)
    there = [name for name in logging.root.manager.loggerDict if name.startswith(_LIBRARIES)]
    for name in (*_LIBRARIES, *there):
        logger = logging.getLogger(name)
        level = max(logger.getEffectiveLevel(), logging.INFO)
        # Setting it clears a cache of each logger of the program.
        if logger.level != level:
            logger.setLevel(level)
