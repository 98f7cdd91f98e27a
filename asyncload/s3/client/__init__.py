"""Parts of aioboto3's client that asyncload replaces."""
