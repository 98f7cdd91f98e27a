"""A DAG of Airflow 3 that loads the exports of each day into the lake.

The logical date is the partition: clearing or backfilling a run loads the same one again, and sends
only what is missing. asyncload must be installed where the worker runs.
"""

from datetime import timedelta

import pendulum
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG(
    dag_id="load_exports",
    schedule="15 2 * * *",
    start_date=pendulum.datetime(2022, 5, 1, tz="America/Sao_Paulo"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=10)},
):
    BashOperator(
        task_id="asyncload",
        # 4, nothing to load, shows as skipped.
        skip_on_exit_code=4,
        bash_command="asyncload run /srv/exports --bucket my-lake --date {{ ds }} --json",
    )
