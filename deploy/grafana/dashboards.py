"""The dashboards as Grafana reads them, by its own builders."""

from pathlib import Path

from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef

from deploy.grafana.panels import DASHBOARDS, Dashboard, Panel

FOLDER = Path(__file__).parent
_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_WIDTH, _HEIGHT = 12, 8


def rendered() -> dict[str, str]:
    """Each dashboard's JSON by the name of its file."""
    encoder = JSONEncoder(sort_keys=True, indent=2)
    return {f"{each.uid}.json": encoder.encode(_dashboard(each).build()) + "\n" for each in DASHBOARDS}


def _dashboard(shown: Dashboard) -> dashboard.Dashboard:
    builder = (
        dashboard.Dashboard(shown.title)
        .uid(shown.uid)
        .description(shown.about)
        .tags(["headrace"])
        .time("now-1h", "now")
        .refresh("30s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    for panel in shown.panels:
        builder = builder.with_panel(_panel(panel))
    return builder


def _panel(panel: Panel) -> timeseries.Panel:
    builder = (
        timeseries.Panel()
        .title(panel.title)
        .unit(panel.unit)
        .min(0)
        .datasource(_SOURCE)
        .span(_WIDTH)
        .height(_HEIGHT)
        .fill_opacity(10)
        .show_points(looks.VisibilityMode.NEVER)
        .legend(common.VizLegendOptions().show_legend(True).placement(looks.LegendPlacement.BOTTOM))
    )
    if panel.about:
        builder = builder.description(panel.about)
    for i, (legend, expr) in enumerate(panel.queries.items()):
        query = prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(chr(ord("A") + i)).range()
        builder = builder.with_target(query)
    return builder
