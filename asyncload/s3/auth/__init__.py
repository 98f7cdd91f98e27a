"""Credentials: the AWS chain under watch, renewal, the clock of signatures, redaction."""
