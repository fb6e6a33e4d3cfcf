#!/bin/sh
# First process of every image of ours. Secrets stand in files: NAME_FILE gives the variable NAME, for the few names that
# programs want as a variable only. `driver` and `executor` are the words with which Spark on Kubernetes starts its pods.
set -eu
for name in REDIS_URL MLFLOW_BACKEND_STORE_URI AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY OPENLINEAGE_API_KEY; do
    eval "file=\${${name}_FILE:-}"
    [ -n "$file" ] || continue
    [ -r "$file" ] || { echo "entrypoint: ${name}_FILE=$file cannot be read by user $(id -u)" >&2; exit 65; }
    eval "export $name=\$(cat \"\$file\")"
    unset "${name}_FILE"
done
# Lineage: Airflow's provider listens to OPENLINEAGE_URL alone, as it does in infra/embedded/environment.py.
export AIRFLOW__OPENLINEAGE__DISABLED=True
if [ -n "${OPENLINEAGE_URL:-}" ]; then
    auth=${OPENLINEAGE_API_KEY:+", \"auth\": {\"type\": \"api_key\", \"apiKey\": \"$OPENLINEAGE_API_KEY\"}"}
    export AIRFLOW__OPENLINEAGE__DISABLED=False AIRFLOW__OPENLINEAGE__NAMESPACE=nightshelf
    export AIRFLOW__OPENLINEAGE__EXECUTE_IN_THREAD=True
    export AIRFLOW__OPENLINEAGE__EMISSION_POLICY='[{"scope": {}, "controls": {"include_source_code": false}}]'
    export AIRFLOW__OPENLINEAGE__TRANSPORT="{\"type\": \"http\", \"url\": \"$OPENLINEAGE_URL\", \"endpoint\": \"api/v1/lineage\", \"timeout\": 5$auth}"
fi
case "${1:-}" in
driver)
    shift
    exec spark-submit --deploy-mode client --conf "spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS" "$@" ;;
executor)
    # Spark hands an executor its Java options one a variable, SPARK_JAVA_OPT_0, SPARK_JAVA_OPT_1, ...
    set --
    number=0
    while eval "option=\${SPARK_JAVA_OPT_$number:-}" && [ -n "$option" ]; do
        set -- "$@" "$option"
        number=$((number + 1))
    done
    home=${SPARK_HOME:-$(python -c 'import pyspark, os; print(os.path.dirname(pyspark.__file__))')}
    exec java "$@" "-Xms$SPARK_EXECUTOR_MEMORY" "-Xmx$SPARK_EXECUTOR_MEMORY" \
        -cp "${SPARK_CONF_DIR:-$home/conf}:${SPARK_CLASSPATH:-}:$home/jars/*" \
        org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
        --driver-url "$SPARK_DRIVER_URL" --executor-id "$SPARK_EXECUTOR_ID" --cores "$SPARK_EXECUTOR_CORES" \
        --app-id "$SPARK_APPLICATION_ID" --hostname "$SPARK_EXECUTOR_POD_IP" \
        --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" --podName "$SPARK_EXECUTOR_POD_NAME" ;;
esac
exec "$@"
