"""Grafana's dashboards, made from code: `python -m deploy.grafana` writes their JSON beside this file."""
