"""Write the dashboards' JSON anew: `python -m deploy.grafana`."""

from deploy.grafana.dashboards import FOLDER, rendered

if __name__ == "__main__":
    for name, text in rendered().items():
        (FOLDER / name).write_text(text)
