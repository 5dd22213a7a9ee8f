"""The files of deploy/: each is looked at by the tool that will read it.

`scripts/check-deploy` brings the tools; a test whose tool is not there says so.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cds_service.ops import metrics
from tests.support.constants import ROOT

pytestmark = pytest.mark.system

DEPLOY = ROOT / "deploy"
ALERTS = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((DEPLOY / "grafana" / "cds-service.json").read_text(encoding="utf-8"))


def tool(name: str) -> str:
    """Its path; the test is skipped where it is not there."""
    beside = Path(sys.executable).parent.parent / name  # scripts/check-deploy builds Helm there
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed; scripts/check-deploy brings it")
    return found


def said(*command: str, cwd: Path = ROOT, code: int = 0, **environment: str) -> str:
    run = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, env=environment or None
    )
    assert run.returncode == code, run.stdout + run.stderr
    return run.stdout + run.stderr


# --- systemd ---


def test_the_unit_is_valid_and_has_few_rights(tmp_path: Path) -> None:
    analyze = tool("systemd-analyze")
    text = (DEPLOY / "systemd" / "cds-service.service").read_text(encoding="utf-8")
    unit = tmp_path / "cds-service.service"
    unit.write_text(re.sub("ExecStart=.*", "ExecStart=/bin/true", text))
    assert said(analyze, "verify", str(unit)) == ""
    told = said(analyze, "security", "--offline=true", "--threshold=15", str(unit))
    assert re.search(r"Overall exposure level for cds-service.service: (0|1)\.\d", told), told


# --- proxies ---


@pytest.mark.parametrize("machines", [1, 2])
def test_nginx_accepts_its_file(tmp_path: Path, machines: int) -> None:
    """Also with its lines for two machines, which are comments."""
    nginx = tool("nginx")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    said(tool("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=t",
         "-keyout", str(key), "-out", str(certificate))  # fmt: skip
    text = (DEPLOY / "nginx" / "cds-service.conf").read_text(encoding="utf-8")
    if machines == 2:
        text, number = re.subn(r"^( *)# (server|upstream|if) ", r"\1\2 ", text, flags=re.MULTILINE)
        assert number == 5
    text = re.sub(r"(ssl_certificate) .*;", rf"\1 {certificate};", text)
    text = re.sub(r"(ssl_certificate_key) .*;", rf"\1 {key};", text)
    (tmp_path / "site.conf").write_text(text)
    places = "".join(
        f"{kind}_temp_path {tmp_path};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = tmp_path / "nginx.conf"
    main.write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}} "
        f"http {{ {places} include {tmp_path}/site.conf; }}"
    )
    assert "test is successful" in said(nginx, "-t", "-c", str(main))


def test_caddy_accepts_its_file(tmp_path: Path) -> None:
    file = str(DEPLOY / "caddy" / "Caddyfile")
    told = said(tool("caddy"), "validate", "--config", file, "--adapter", "caddyfile",
                HOME=str(tmp_path), CDS_TLS="tls internal")  # fmt: skip
    assert "Valid configuration" in told


@pytest.mark.parametrize("file", ["nginx/cds-service.conf", "caddy/Caddyfile"])
def test_a_proxy_keeps_no_connection_that_is_idle_until_a_machine_ends(file: str) -> None:
    text = (DEPLOY / file).read_text(encoding="utf-8")
    to_machines = text.partition("\nserver {")[0]  # what follows in nginx is for those who call
    kept = re.findall(r"\b(?:keepalive|keepalive_timeout|fail_timeout)[ =](\d+)s", to_machines)
    assert kept
    assert max(map(int, kept)) <= 2, "CDS_DRAIN_SECONDS is 5: a call over an idle one would be lost"


def test_no_caller_can_make_a_proxy_take_a_machine_for_gone() -> None:
    """A body that is refused or does not come fails in the proxy like a fault of the machine."""
    nginx = (DEPLOY / "nginx" / "cds-service.conf").read_text(encoding="utf-8")
    machines = re.findall(r"^ *(?:# )?server [\d.]+:8000 (.*?);", nginx, re.MULTILINE)
    assert machines == ["max_fails=0", "max_fails=0"]
    caddy = (DEPLOY / "caddy" / "Caddyfile").read_text(encoding="utf-8")
    assert not re.search(r"^\s*(fail_duration|unhealthy_)", caddy, re.MULTILINE)


# --- compose and Kubernetes ---


def test_the_compose_file_keeps_to_the_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    said(*command, "deploy/compose/compose.yaml")


ALL_PARTS = (
    "ingress.enabled=true", "ingress.className=nginx", "autoscaling.enabled=true",
    "overlayConfigMap=overlay", "pullSecrets={registry}",
)  # fmt: skip


@pytest.mark.parametrize(
    ("version", "options"), [("1.28", ALL_PARTS), ("1.31", ())], ids=["all parts", "plain"]
)
def test_the_chart_makes_objects_that_kubernetes_accepts(
    tmp_path: Path, version: str, options: tuple[str, ...]
) -> None:
    helm, chart = tool("helm"), str(DEPLOY / "helm" / "cds-service")
    given = [word for option in options for word in ("--set", option)]
    objects = tmp_path / "objects.yaml"
    objects.write_text(said(helm, "template", "cds", chart, "--kube-version", version, *given))
    validate = Path(sys.executable).parent / "kubernetes-validate"
    said(str(validate), "--strict", "--kubernetes-version", version, str(objects))
    deployment = next(
        one for one in yaml.safe_load_all(objects.read_text()) if one["kind"] == "Deployment"
    )
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["enableServiceLinks"] is False, "CDS_SERVICE_HOST would stop the start"
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_value_that_does_not_exist_is_refused() -> None:
    chart = str(DEPLOY / "helm" / "cds-service")
    told = said(tool("helm"), "template", "cds", chart, "--kube-version", "1.31",
                "--set", "replica=3", code=1)  # fmt: skip
    assert "replica" in told


def test_the_chart_calls_its_job_what_the_alerts_ask_for() -> None:
    """Else it is called as the release is, and CdsDown never fires."""
    templates = DEPLOY / "helm" / "cds-service" / "templates"
    names = (templates / "_names.tpl").read_text(encoding="utf-8")
    monitor = (templates / "servicemonitor.yaml").read_text(encoding="utf-8")
    assert "\n  jobLabel: app.kubernetes.io/name" in monitor
    assert "\napp.kubernetes.io/name: cds-service\n" in names


# --- what is watched ---


@pytest.mark.parametrize("name", ["alerts_test.yml", "alerts_days_test.yml"])
def test_each_alert_fires_by_its_fault_and_not_on_a_good_day(name: str) -> None:
    said(tool("promtool"), "test", "rules", name, cwd=DEPLOY / "prometheus")
    cases = "".join(path.read_text() for path in (DEPLOY / "prometheus").glob("*_test.yml"))
    assert {rule["alert"] for rule in RULES} == set(re.findall(r"Cds[A-Z]\w+", cases))


def test_each_alert_has_its_place_in_the_runbook() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    assert [rule["alert"] for rule in RULES] == re.findall(r"^## (.*)$", runbook, re.MULTILINE)


def test_alerts_and_dashboard_ask_for_figures_that_there_are() -> None:
    asked = json.dumps([rule["expr"] for rule in RULES]) + json.dumps(DASHBOARD)
    names = set(re.findall(r"\bcds_[a-z_]+", asked))
    exposed = set(re.findall(r"^# TYPE (cds_\w+)", metrics.exposition().decode(), re.MULTILINE))
    forms = exposed | {f"{name}{end}" for name in exposed for end in ("_bucket", "_count", "_sum")}
    assert names - forms == set()
