"""Which commands of the documents tests run, with what a reader has done before, and which not.

A page of GUIDES is followed by a `Reader`; NOT_RUN says why commands are not run.
"""

from __future__ import annotations

from tests.support.commands import Command
from tests.support.documents import REPOSITORY, all_blocks
from tests.support.reader import SAMPLE, Guide


def _day(*days: str) -> dict[str, bytes]:
    return {f"sales/{day}/s.csv": b"name,amount\nAna,3\n" for day in days}


RATINGS = {path: content for path, content in SAMPLE.items() if path.startswith("ratings/")}
SETTINGS = next(
    block.text for block in all_blocks("toml") if block.page.endswith("settings-file.md")
)
DATA = "asyncload run /data --bucket my-lake"
EXPORTS = "asyncload run exports --bucket my-lake"
RUN = f"{EXPORTS} --date 2022-05-02"

GUIDES = {
    "README.md": Guide(landed=24),
    "docs/how-to/archives.md": Guide(
        landed=0,
        volumes={"": {"data": {"about.txt": b""}}},
        before={"": f"python3 {REPOSITORY}/data/make_zip.py data/Filmes+e+Series.zip"},
    ),
    "docs/how-to/aws.md": Guide(landed=16),
    "docs/how-to/backfill.md": Guide(
        landed=5,
        volumes={
            "": {"srv/exports": _day("2022-05-01", "2022-05-02")},
            "for day": {f"srv/exports/2022-05-0{n}": _day("1") for n in (3, 4, 5)},
            "asyncload verify": {"srv/exports": _day("2022-05-01", "2022-05-02")},
        },
        before={
            "": "asyncload run /srv/exports --bucket my-lake --date-from '{date:%Y-%m-%d}'"
            " --include '**/2022-05-01/*'"
        },
        codes={"--calendar": (3, 3)},
        unlike={"--calendar": "it ends yesterday"},
    ),
    "docs/how-to/check.md": Guide(landed=0),
    "docs/how-to/clean.md": Guide(landed=0),
    "docs/how-to/clear.md": Guide(landed=8, volumes={"--then move": {"exports": SAMPLE}}),
    "docs/how-to/collect.md": Guide(landed=0),
    "docs/how-to/cron.md": Guide(landed=0),
    "docs/how-to/dates.md": Guide(landed=2, volumes={"": {"exports": _day("2022-05-01")}}),
    "docs/how-to/doctor.md": Guide(
        landed=0,
        volumes={"": {"exports": SAMPLE}},
        unlike={"asyncload doctor": "the page shows what a denied listing looks like"},
    ),
    "docs/how-to/duckdb.md": Guide(landed=0),
    "docs/how-to/file-list.md": Guide(landed=8, before={"": "touch -d 2020-01-01 last-run"}),
    "docs/how-to/history.md": Guide(
        landed=8,
        before={"": RUN},
        unlike={"asyncload runs": "it ends yesterday"},
    ),
    "docs/how-to/kubernetes.md": Guide(
        landed=8,
        before={
            "asyncload report": "\n".join(
                f"{DATA} --date 2022-05-02 --shard {n}/2 --run load-exports-2022-05-02"
                for n in (1, 2)
            )
        },
    ),
    "docs/how-to/lock.md": Guide(
        landed=8,
        volumes={"": {"data": SAMPLE, "one": {"movies.csv": SAMPLE["movies.csv"]}}},
        before={"": "asyncload run one --bucket my-lake"},
        codes={"asyncload verify": (3,)},
        locks=True,
    ),
    "docs/how-to/monitoring.md": Guide(landed=8),
    "docs/how-to/moving.md": Guide(
        # Of the sample, rclone does not take part-00002.CSV.
        landed=9 + 8,
        volumes={"": {"exports": SAMPLE | _day("2022-05-02")}},
    ),
    "docs/how-to/plan.md": Guide(
        landed=4,
        volumes={
            "": {
                "old": {"movies.csv": SAMPLE["movies.csv"], **RATINGS},
                "exports": {
                    "movies.csv": SAMPLE["movies.csv"] + b"5 byt",
                    **RATINGS,
                    "sales/s.csv": b"8 bytes\n",
                },
            }
        },
        before={"": "asyncload run old --bucket my-lake --date 2022-05-02"},
        codes={"asyncload plan": (3,)},
    ),
    "docs/how-to/repair.md": Guide(
        landed=3,
        volumes={
            "": {
                "old": {"movies.csv": b"1\n", "sales/s.csv": b"half\n"},
                "srv/exports": {
                    "movies.csv": b"1\n",
                    "sales/s.csv": b"name,amount\n".ljust(30, b"1") + b"\n",
                    "users/u.csv": b"2\n",
                },
            }
        },
        before={"": "asyncload run old --bucket my-lake --date 2022-05-02"},
        codes={"asyncload verify": (3, 0), "asyncload run /srv": (3, 0)},
    ),
    "docs/how-to/report.md": Guide(landed=16, before={"": RUN}),
    "docs/how-to/schedule.md": Guide(landed=8),
    "docs/how-to/shards.md": Guide(
        landed=300,
        volumes={"": {"data": {f"{n % 7}/{n}.csv": b"x" * (149 + (n < 200)) for n in range(300)}}},
        before={
            "asyncload report": "\n".join(
                f"{DATA} --date 2022-05-02 --success-marker --shard {n}/4" for n in (3, 4)
            )
        },
    ),
    "docs/how-to/stores.md": Guide(landed=8),
    "docs/how-to/tables.md": Guide(landed=0),
    "docs/how-to/verify.md": Guide(landed=8, before={"": RUN}),
    "docs/how-to/watch.md": Guide(
        landed=8, volumes={"": {"data": SAMPLE}, "/mnt/eu": {"mnt/eu": SAMPLE, "mnt/us": SAMPLE}}
    ),
    "docs/reference/commands.md": Guide(
        landed=10,
        volumes={
            "": {
                "exports": {**SAMPLE, "eu/a.csv": b"1\n"},
                "other": {"nightly.toml": b'bucket = "my-lake"\n'},
            },
            "/mnt/eu": {"mnt/eu": SAMPLE, "mnt/us": SAMPLE},
        },
        before={
            "": "cp other/nightly.toml .",
            "asyncload report run.jsonl": f"{EXPORTS} --json > run.jsonl",
        },
    ),
    "docs/reference/files.md": Guide(
        landed=3,
        volumes={
            "": {
                "exports": SAMPLE,
                "mnt/eu": {"eu/a.csv": b"1\n"},
                "mnt/us": {"us/a.csv": b"1\n"},
            }
        },
    ),
    "docs/reference/settings-file.md": Guide(
        landed=0,
        volumes={"": {"other": {"asyncload.toml": SETTINGS.encode()}}},
        before={"": "cp other/asyncload.toml .\nunset ASYNCLOAD_TIMEZONE"},
    ),
}

# Why no test in tests/test_guides.py runs a command, by a page, "" being any, and its beginning.
NOT_RUN = {
    ("", "docker "): "tests/container builds and runs the image",
    ("", "python3 -m pip install "): "tests/test_package.py installs the wheel",
    ("README.md", ". .venv/bin/activate"): "the environment is that of the tests",
    ("docs/how-to/install.md", ""): "installs for all users; tests/test_package.py has the wheel",
    ("", "aws "): "needs AWS, or a program of others",
    ("", "make "): "CI begins with `make demo` and `make test`",
    (
        "docs/how-to/airflow.md",
        "airflow ",
    ): "needs Airflow; tests/unit/test_schedules.py reads the DAG",
    ("docs/how-to/collect.md", "read -rs TMDB_TOKEN"): "waits for a person",
    ("docs/how-to/container.md", "--user "): "these are options of the command above them",
    (
        "docs/how-to/dask.md",
        "asyncload run ",
    ): "needs a cluster; tests/integration/test_dask.py has one",
    ("docs/how-to/kubernetes.md", "kubectl "): "needs a cluster",
    ("docs/how-to/kubernetes.md", "kubernetes-validate "): "tests/unit/test_schedules.py does this",
    ("docs/how-to/monitoring.md", "node_exporter "): "a program of others that does not end",
    ("docs/how-to/moving.md", "s5cmd "): "a program of others",
    ("docs/how-to/spark.md", "python examples/"): "tests/spark runs it",
    (
        "docs/how-to/systemd.md",
        "",
    ): "changes the machine; tests/unit/test_schedules.py has the units",
    (
        "docs/how-to/tables.md",
        "asyncload ddl ./exports --bucket my-lake --engine glue --database",
    ): ("asks AWS; tests/cli/test_ddl.py holds the input against the description of its API"),
    ("docs/reference/commands.md", "asyncload collect "): (
        "asks TMDB; the tests of collect have a double of it"
    ),
    ("docs/reference/commands.md", "asyncload demo"): "tests/cli/test_demo.py runs it",
    ("docs/tutorial.md", ""): "tests/test_tutorial.py runs them, with the built wheel alone",
}


def reasons_not_to_run(command: Command) -> list[tuple[str, str]]:
    """The entries of NOT_RUN that are about a command."""
    return [
        (page, beginning)
        for page, beginning in NOT_RUN
        if page in ("", command.page) and command.text.startswith(beginning)
    ]
