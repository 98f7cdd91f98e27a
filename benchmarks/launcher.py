"""Start one command, wait for it, and report its resource usage: a script for `measuring.py`.

The kernel counts at least the memory of the starting process as a process's peak memory, so the
launcher must be small: it imports as little as possible, and runs with `-I -S`.
Standard input: JSON with `argv`, `environment`, `stdout`, `stderr` (files), `limit` (seconds).
Standard output: JSON with `status`, `wall`, `user`, `system`, `rss_kib`.
"""

import json
import os
import signal
import sys
import time


def main() -> None:
    """Run the command."""
    order = json.load(sys.stdin)
    # The output is only for us, and there is no input.
    actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    for number, name in ((1, "stdout"), (2, "stderr")):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        actions.append((os.POSIX_SPAWN_OPEN, number, order[name], flags, 0o600))
    began = time.perf_counter()
    child = os.posix_spawnp(
        order["argv"][0], order["argv"], order["environment"], file_actions=actions, setsid=True
    )

    def end(*_: object) -> None:
        os.killpg(child, signal.SIGKILL)

    for number in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    signal.alarm(order["limit"])
    # Includes the usage of children that it waited for.
    _, status, usage = os.wait4(child, 0)
    result = {
        "status": os.waitstatus_to_exitcode(status),
        "wall": time.perf_counter() - began,
        "user": usage.ru_utime,
        "system": usage.ru_stime,
        "rss_kib": usage.ru_maxrss,
    }
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
