"""Start one command, wait for it, and say what it took: a script for `measuring.py`.

The kernel counts as a process's peak memory at least that of the process that started it, so the
starter has to be small: this one imports as little as it can, and is run with `-I -S`.
Standard input: JSON with `argv`, `environment`, `stdout`, `stderr` (files), `limit` (seconds).
Standard output: JSON with `status`, `wall`, `user`, `system`, `rss_kib`.
"""

import json
import os
import signal
import sys
import time


def main() -> None:
    """Do it."""
    order = json.load(sys.stdin)
    # The output is for us alone, and the input is none.
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
    # With the usage of the children that it has waited for.
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
