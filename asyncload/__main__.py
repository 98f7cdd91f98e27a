"""`python -m asyncload` is `asyncload`."""

from asyncload.cli import main

main()
