#!/bin/bash
# Runs once, when PostgreSQL's volume is empty: a database and a role for each that needs one, and no rights beyond.
set -euo pipefail

make_database() {  # make_database NAME VARIABLE_OF_ITS_PASSWORD
    psql -v ON_ERROR_STOP=1 --quiet --username "$POSTGRES_USER" --dbname postgres --set name="$1" <<SQL
\getenv password $2
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8';
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}

make_database airflow NIGHTSHIFT_AIRFLOW_DB_PASSWORD
make_database celery NIGHTSHIFT_CELERY_DB_PASSWORD
make_database mlflow NIGHTSHIFT_MLFLOW_DB_PASSWORD
make_database optuna NIGHTSHIFT_OPTUNA_DB_PASSWORD
psql -v ON_ERROR_STOP=1 --quiet --username "$POSTGRES_USER" --dbname postgres \
    -c 'CREATE DATABASE mlflow_auth OWNER mlflow TEMPLATE mlflow' -c 'REVOKE ALL ON DATABASE mlflow_auth FROM PUBLIC'
