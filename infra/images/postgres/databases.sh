#!/bin/sh
# Run once by PostgreSQL's image on an empty data folder: a database and its owner for Airflow, and the same for MLflow.
set -eu
for name in airflow mlflow; do
    password=$(cat "/run/secrets/${name}_database_password")
    psql -v ON_ERROR_STOP=1 -v name="$name" -v password="$password" --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
SQL
done
