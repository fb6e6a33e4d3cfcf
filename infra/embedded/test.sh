#!/usr/bin/env bash
# All tests in one pytest, so that its closing line counts everything, two files of them at a time: most wait for a JVM, a
# server or Airflow. Files are taken in their order, so that the nightly DAGs (tests/e2e), which take longest, do not
# run at the end beside an idle process. Threads are pinned: two pools that each take all cores slow both down.
set -euo pipefail
cd "$(dirname "$0")/../.."
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1
export TF_CPP_MIN_LOG_LEVEL=2 GX_ANALYTICS_ENABLED=false MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true
export AWS_EC2_METADATA_DISABLED=true
# What was given for `make run` or another stack is not for the tests.
unset VAR SOURCE DATA LAKE_ROOT SURFACES MERCHANDISING PSEUDONYMISE USER_KEY USER_KEY_FILE REDIS_URL MLFLOW_TRACKING_URI
unset AIRFLOW_PORT MLFLOW_PORT POSTGRES_PORT REDIS_PORT STOREFRONT_PORT STOREFRONT_EXTENSIONS MAX_AGE_SECONDS
bash infra/embedded/browser.sh
exec .venv/bin/python -m pytest --numprocesses="${TEST_PROCESSES:-2}" --dist=loadfile --no-loadscope-reorder --durations=15 "$@"
