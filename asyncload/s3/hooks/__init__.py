"""All uses of private parts of aioboto3, aiobotocore, botocore and aiohttp.

No other module uses a private name of these libraries or replaces a method of their objects
(`tests/test_architecture.py` checks it). Each module here has tests in
`tests/contract/test_library_hooks.py`, which fail if a library changes a part that it relies on.
Both libraries are bounded in `pyproject.toml`: raise a bound only if those tests pass.

- `events`: handlers of a client's events, and the request that a client would send
- `http_session`: the HTTP session below a client
- `core_session`: the session that makes clients, and its resolver of credentials
- `credentials`: providers of credentials, and the refresh of their credentials
- `signing`: the signers of a client
- `models`: service models and times, read with less work
"""
