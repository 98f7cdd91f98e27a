"""The libraries' logs: nothing of them is for the terminal, and some of it for nobody."""

from __future__ import annotations

import logging

_LIBRARIES = ("aioboto3", "aiobotocore", "boto3", "botocore", "aiohttp")
_NOWHERE = logging.NullHandler()


def cap_loggers() -> None:
    """Keep the libraries from writing secrets to a log, and tracebacks to standard error.

    At the level of debugging they log session tokens and signatures, whatever logger that level
    is set for. Their warnings are of what becomes an error of ours; a program that has set up its
    logging gets them all the same.
    """
    for name in _LIBRARIES:
        logging.getLogger(name).addHandler(_NOWHERE)
    there = [name for name in logging.root.manager.loggerDict if name.startswith(_LIBRARIES)]
    for name in (*_LIBRARIES, *there):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.getEffectiveLevel(), logging.INFO))
