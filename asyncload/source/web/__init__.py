"""Answers of an HTTP API as a source: each answer is loaded like a file, byte for byte."""
