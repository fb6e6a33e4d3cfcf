"""Makes the databases and users of Airflow and MLflow; again without harm, and it gives users their new passwords.

Run by the task `migrate` as `python -c`. Reads PGHOST, MASTER_PASSWORD, AIRFLOW_PASSWORD and MLFLOW_PASSWORD.
"""

import os

import psycopg2
from psycopg2 import sql

connection = psycopg2.connect(
    host=os.environ["PGHOST"],
    port=os.environ.get("PGPORT", "5432"),
    user=os.environ.get("PGUSER", "nightshelf"),
    password=os.environ["MASTER_PASSWORD"],
    dbname=os.environ.get("PGDATABASE", "nightshelf"),
    sslmode=os.environ.get("PGSSLMODE", "require"),
)
connection.autocommit = True  # CREATE DATABASE stands in no transaction
with connection.cursor() as cursor:
    for name in ("airflow", "mlflow"):
        role, password = sql.Identifier(name), sql.Literal(os.environ[f"{name.upper()}_PASSWORD"])
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
        verb = "ALTER" if cursor.fetchone() else "CREATE"
        cursor.execute(sql.SQL(verb + " ROLE {} LOGIN PASSWORD {}").format(role, password))
        # On RDS the master is no superuser: it may give a database only to a role that it is a member of.
        cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
        if not cursor.fetchone():
            cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))
        cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(role))
        print(f"{name}: {verb.lower()}d role, database is there")
connection.close()
