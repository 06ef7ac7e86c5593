"""The dashboard of docker/grafana: each of its queries has an answer, and Grafana finds the file.

Debian has no Grafana. So the file is checked for what Grafana needs, and was not seen in Grafana.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.monitoring.conftest import DOCKER, JOB, WITHOUT_DATABASE, Monitored, needs_prometheus
from tests.waiting import wait_until

DASHBOARD = json.loads((DOCKER / "grafana/dashboards/gmail-sync.json").read_text())
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
PANELS = DASHBOARD["panels"]
COLUMNS = 24


def queries() -> Iterator[tuple[str, str]]:
    for panel in PANELS:
        for target in panel["targets"] if panel["type"] != "row" else []:
            yield f"{panel['title']} {target['refId']}", target["expr"]


def in_prometheus(expression: str, job: str = JOB) -> str:
    """As Grafana sends it."""
    return expression.replace("$job", job).replace("$__rate_interval", "1m")


@needs_prometheus
@pytest.mark.gate
def test_each_query_has_an_answer(monitored: Monitored) -> None:
    expressions = dict(queries())
    assert len(expressions) > 20

    def unanswered() -> list[str]:
        return [
            title
            for title, expression in expressions.items()
            if not monitored.query(in_prometheus(expression))
        ]

    wait_until(lambda: unanswered() == [])


@needs_prometheus
@pytest.mark.gate
def test_alerts_are_shown_on_the_panels(monitored: Monitored) -> None:
    [annotation] = DASHBOARD["annotations"]["list"]
    expression = in_prometheus(annotation["target"]["expr"], WITHOUT_DATABASE)
    wait_until(lambda: monitored.query(expression))


@needs_prometheus
@pytest.mark.gate
def test_the_variable_lists_the_installations(monitored: Monitored) -> None:
    [query] = [
        each["query"]["query"]
        for each in DASHBOARD["templating"]["list"]
        if each["type"] == "query"
    ]
    metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", query).groups()  # type: ignore[union-attr]
    assert JOB in {series["metric"][label] for series in monitored.query(metric)}


def test_panels_have_ids_titles_and_places_of_their_own() -> None:
    ids = [panel["id"] for panel in PANELS]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        assert panel["title"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_query_asks_the_chosen_installation_of_the_chosen_prometheus() -> None:
    for title, expression in queries():
        selectors: list[Any] = re.findall(r"gmail_sync_\w+(\{[^}]*\})?", expression)
        assert selectors, title
        assert all('job="$job"' in selector for selector in selectors), title
    sources = [panel.get("datasource") for panel in PANELS if panel["type"] != "row"]
    assert {source["uid"] for source in sources} == {"${datasource}"}


def test_grafana_finds_the_dashboard_where_compose_mounts_it() -> None:
    (provider,) = yaml.safe_load(
        (DOCKER / "grafana/provisioning/dashboards/gmail-sync.yml").read_text()
    )["providers"]
    mounts = COMPOSE["services"]["grafana"]["volumes"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in mounts


def test_monitoring_is_optional_pinned_and_for_this_machine() -> None:
    for name in ("prometheus", "grafana"):
        service = COMPOSE["services"][name]
        assert service["profiles"] == ["monitoring"]
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"])
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
