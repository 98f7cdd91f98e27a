"""AWS Lambda's way in: `asyncload.aws_lambda.handler`. See `deploy/lambda/README.md`."""

from asyncload.cli.imports import import_s3

# First, so that the libraries don't load certificates that are never used. Lambda imports this
# module once per environment, before the first invocation.
import_s3()

# isort: split
from asyncload.aws_lambda.invocation import handler  # noqa: E402  # see above

__all__ = ["handler"]
