"""What commands tell Prometheus: definitions, telling, and the outlets (a text file, a Pushgateway)."""
