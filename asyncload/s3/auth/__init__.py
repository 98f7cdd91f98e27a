"""Credentials: the AWS chain with deadlines and messages, renewal, the signing clock, redaction."""
