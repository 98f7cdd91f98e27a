"""`python -m tests.faults.proxy --seed N --endpoint URL`: prints its address, then violations."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import sys
from contextlib import suppress

from tests.faults.proxy.faults import no_fault
from tests.faults.proxy.oracle import Oracle
from tests.faults.proxy.seeded import Rates, Seeded
from tests.faults.proxy.server import ChaosProxy


def main() -> int:
    """Serve until interrupted. Returns 1 where a request broke S3's rules, else 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.proxy", description=__doc__)
    parser.add_argument("--endpoint", required=True, help="the S3 server to stand before")
    parser.add_argument("--seed", type=int, default=0, help="the same seed replays")
    parser.add_argument("--port", type=int, default=0, help="where to listen; 0 takes a free one")
    parser.add_argument("--owner", help="the account that requests must expect the bucket to have")
    for rate in dataclasses.fields(Rates):
        option = f"--{rate.name.replace('_', '-')}"
        parser.add_argument(option, type=float, default=rate.default, help="a share of requests")
    options = parser.parse_args()
    rates = Rates(**{rate.name: getattr(options, rate.name) for rate in dataclasses.fields(Rates)})
    decide = Seeded(options.seed, rates) if any(vars(rates).values()) else no_fault
    oracle = Oracle(owner=options.owner, owner_expected=options.owner is not None)
    proxy = ChaosProxy(options.endpoint, decide, oracle)
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(proxy, options.port))
    for operation, count in sorted(proxy.passed.items()):
        print(f"passed: {count:,} {operation}, {proxy.body_bytes[operation]:,} bytes in all")
    for violation in oracle.violations:
        print(f"violation: {violation}")
    return 1 if oracle.violations else 0


async def _serve(proxy: ChaosProxy, port: int) -> None:
    ready = asyncio.get_running_loop().create_future()
    ready.add_done_callback(lambda done: print(done.result(), flush=True))
    await proxy.serve(ready, port)


if __name__ == "__main__":
    sys.exit(main())
