"""What deploy/k8s says agrees with the code: ports, settings, queues, and what every pod must keep to."""

import os
import re
from collections import Counter
from importlib import import_module, util
from pathlib import Path
from typing import Any

import pytest

from scripts import validate_manifests
from scripts.validate_manifests import OVERLAYS, ROOT
from services.__main__ import NAMES, load
from services.api.settings import ApiSettings
from services.receiver.settings import ReceiverSettings
from shared.bus.rabbitmq import RabbitBus
from shared.settings import FionaSettings, Settings
from shared.topology import all_queues
from tests.unit.cluster import PRODUCTION, environment, kubectl, of_kind, ours, service_of, workloads

pytestmark = pytest.mark.usefixtures(kubectl.__name__)

DEPLOY = ROOT / "deploy"
UNSEEING = {"anonymizer", "sender", "audit", "janitor", "monitor"}
"""Services whose role of the database cannot read identities."""


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
    outside = [each["spec"] for each in of_kind(overlay, "Service") if each["spec"].get("type") == "LoadBalancer"]
    assert {port["port"] for each in outside for port in each["ports"]} == (
        {11112, 2762} if overlay in PRODUCTION else {11112}
    )
    for each in outside:
        assert each["externalTrafficPolicy"] == "Local"
        # A node is asked once for a Service whether it has a pod, not once for a port: each pod must have all of them.
        chosen = [pod for pod in pods if each["selector"].items() <= pod["metadata"]["labels"].items()]
        for pod in chosen:
            named = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
            assert {port["targetPort"] for port in each["ports"]} <= named
    budgets = {each["metadata"]["name"] for each in of_kind(overlay, "PodDisruptionBudget")}
    assert {name for name, _, _ in ours(overlay)} - {"migrate"} <= budgets


@pytest.mark.parametrize("overlay", PRODUCTION)
def test_scalers_watch_queues_that_exist_and_nothing_is_scaled_twice(overlay: str) -> None:
    scaled = of_kind(overlay, "ScaledObject")
    queues = [trigger["metadata"]["queueName"] for each in scaled for trigger in each["spec"]["triggers"]]
    names = RabbitBus("amqp://nowhere").names
    assert set(queues) <= {names.queue(each) for each in all_queues()}
    for each in scaled:
        own = names.queue(f"{each['spec']['scaleTargetRef']['name']}.")
        assert all(trigger["metadata"]["queueName"].startswith(own) for trigger in each["spec"]["triggers"])
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
def test_who_has_the_master_key_may_have_the_one_of_before_beside_it(overlay: str) -> None:
    """While values are sealed anew; there is none before and after that."""
    for name, _, container in ours(overlay):
        given = {each["name"]: each["valueFrom"]["secretKeyRef"] for each in container["env"] if "valueFrom" in each}
        if "FIONA_SECRET_KEY" in given:
            assert given["FIONA_SECRET_KEY_OLD"] == {"name": "fiona-master-key", "key": "older", "optional": True}, name
        else:
            assert "FIONA_SECRET_KEY_OLD" not in given, name


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


@pytest.mark.parametrize(
    ("wrong", "faults"),
    [
        ({"apiVersion": "v1", "kind": "Service", "spec": {"prots": []}}, len(validate_manifests.VERSIONS)),
        ({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObjekt", "spec": {}}, len(validate_manifests.VERSIONS)),
        ({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "spec": {"minReplicaCuont": 2}}, 1),
        ({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "spec": {"minReplicaCount": True}}, 1),
        ({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "spec": {"triggers": {"type": "rabbitmq"}}}, 1),
        ({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "spec": {"issuerRef": {"kind": "Any"}}}, 1),
        ({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "spec": {"issuerRef": {"kind": "Issuer"}}}, 0),
    ],
)
def test_a_wrong_manifest_is_found(monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], faults: int) -> None:
    monkeypatch.setattr(validate_manifests, "manifests", lambda _: [wrong | {"metadata": {"name": "x"}}])
    assert len(list(validate_manifests.faults("any"))) == faults


def test_scripts_are_executable() -> None:
    for path in (DEPLOY / "k8s/secrets.sh", DEPLOY / "make-secrets.sh", ROOT / "scripts/unpack-kubectl.sh"):
        assert os.access(Path(path), os.X_OK)
