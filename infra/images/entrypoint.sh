#!/bin/sh
# First process of every image of ours. Secrets stand in files: NAME_FILE gives the variable NAME, for the few names that
# programs want as a variable only. `driver` and `executor` are the words with which Spark on Kubernetes starts its pods.
set -eu
for name in REDIS_URL MLFLOW_BACKEND_STORE_URI AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; do
    eval "file=\${${name}_FILE:-}"
    [ -n "$file" ] || continue
    [ -r "$file" ] || { echo "entrypoint: ${name}_FILE=$file cannot be read by user $(id -u)" >&2; exit 65; }
    eval "export $name=\$(cat \"\$file\")"
    unset "${name}_FILE"
done
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
