"""Dashboards for Grafana, written from the boards here, and what Prometheus needs beside them."""
