"""A DAG of Airflow 3 that loads the exports of each day with eight mapped tasks.

Each task is a shard. Clearing one runs it again in the same run, which has the name of the logical
date. asyncload must be installed, and the exports mounted, where the workers run.
"""

from datetime import timedelta

import pendulum
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

SHARDS = 8

with DAG(
    dag_id="load_exports_in_shards",
    schedule="15 2 * * *",
    start_date=pendulum.datetime(2022, 5, 1, tz="America/Sao_Paulo"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
):
    shards = BashOperator.partial(
        task_id="shard",
        bash_command=(
            "asyncload run /srv/exports --bucket my-lake --date {{ ds }} --run exports-{{ ds }} "
            '--shard "$SHARD" --success-marker --json'
        ),
        append_env=True,
    ).expand(env=[{"SHARD": f"{number}/{SHARDS}"} for number in range(1, SHARDS + 1)])
    mark = BashOperator(
        task_id="mark",
        bash_command="asyncload report --bucket my-lake --run exports-{{ ds }} --mark",
    )
    shards >> mark
