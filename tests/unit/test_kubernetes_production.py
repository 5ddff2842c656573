"""What deploy/k8s says for a cluster: TLS on every stretch, backups that fit together, numbers that fit one another."""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from scripts.validate_manifests import OVERLAYS, ROOT, faults, manifests
from services.anonymizer.settings import AnonymizerSettings
from shared.database import Database
from shared.migrations.grants import GROUP
from shared.settings import Settings
from tests.unit.cluster import PRODUCTION, environment, kubectl, of_kind, ours, read, service_of

pytestmark = pytest.mark.usefixtures(kubectl.__name__)

AUTHORITY = "fiona-authority"
MI = {"Mi": 1, "Gi": 1024}


def one(overlay: str, kind: str, name: str) -> dict[str, Any]:
    found = [each for each in of_kind(overlay, kind) if each["metadata"]["name"] == name]
    assert len(found) == 1, (kind, name)
    return found[0]


def secret(overlay: str, name: str) -> dict[str, str]:
    """What an ExternalSecret's template comes to, with a password that must be written otherwise in a URL."""
    template: dict[str, str] = one(overlay, "ExternalSecret", name)["spec"]["target"]["template"]["data"]
    return {
        key: text.replace("{{ .password | urlquery }}", "a%2Fb").replace("{{ .password }}", "a/b")
        for key, text in template.items()
    }


def mounted(pod: dict[str, Any], container: dict[str, Any]) -> dict[str, tuple[str, list[str]]]:
    """{path: (name of the Secret, the files of it)} that a container sees."""
    secrets = {each["name"]: each["secret"] for each in pod["volumes"] if "secret" in each}
    return {
        mount["mountPath"]: (of["secretName"], [item["path"] for item in of.get("items", [])])
        for mount in container["volumeMounts"]
        if (of := secrets.get(mount["name"]))
    }


def signed(overlay: str, name: str) -> set[str]:
    """The names in a certificate that our authority signs, by its Secret."""
    [found] = [each["spec"] for each in of_kind(overlay, "Certificate") if each["spec"]["secretName"] == name]
    assert found["issuerRef"] == {"kind": "Issuer", "name": AUTHORITY}
    return set(found["dnsNames"])


def ports(policies: list[dict[str, Any]]) -> Iterator[int]:
    for policy in policies:
        for rule in (*policy["spec"].get("ingress", ()), *policy["spec"].get("egress", ())):
            yield from (port["port"] for port in rule.get("ports", ()))


@pytest.mark.parametrize("overlay", PRODUCTION)
def test_every_process_trusts_one_authority_and_speaks_tls_by_it(overlay: str) -> None:
    told = one(overlay, "ConfigMap", "fiona")["data"]
    for name, pod, container in ours(overlay):
        for variable in ("FIONA_BUS_CA", "FIONA_DATABASE_CA"):
            path = PurePosixPath(told[variable])
            assert mounted(pod, container)[str(path.parent)] == (AUTHORITY, [path.name]), name
            assert variable not in environment(container), name
    # With these, the code itself refuses a URL without TLS.
    url = secret(overlay, "fiona-bus")["url"]
    bus = urlsplit(Settings.model_validate({"bus_url": url, "bus_ca": told["FIONA_BUS_CA"]}).bus())
    assert (bus.scheme, bus.password) == ("amqps", "a%2Fb")
    assert bus.hostname in signed(overlay, "fiona-rabbitmq-server")
    for name in ("fiona-database", "fiona-database-services"):
        given = {"database_url": secret(overlay, name)["url"], "database_ca": told["FIONA_DATABASE_CA"]}
        database = Database(Settings.model_validate(given).database()).url
        assert (database.query["ssl"], database.password) == ("verify-full", "a/b")
        assert database.host in signed(overlay, "fiona-postgres-server")


@pytest.mark.parametrize("overlay", PRODUCTION)
def test_broker_and_database_take_nothing_but_tls(overlay: str) -> None:
    broker = one(overlay, "RabbitmqCluster", "fiona-rabbitmq")["spec"]
    assert broker["tls"] == {"secretName": "fiona-rabbitmq-server", "disableNonTLSListeners": True}
    cluster = one(overlay, "Cluster", "fiona-postgres")["spec"]
    assert cluster["postgresql"]["pg_hba"][0] == "hostnossl all all all reject"
    assert cluster["certificates"] == dict.fromkeys(("serverTLSSecret", "serverCASecret"), "fiona-postgres-server")
    authority = one(overlay, "Certificate", AUTHORITY)["spec"]
    assert (authority["isCA"], authority["secretName"], authority["privateKey"]["rotationPolicy"]) == (
        True,
        AUTHORITY,
        "Never",
    )
    assert 5671 in set(ports(of_kind(overlay, "NetworkPolicy")))
    assert not {5672, 15672, 15692} & set(ports(of_kind(overlay, "NetworkPolicy")))


@pytest.mark.parametrize("overlay", PRODUCTION)
def test_the_brokers_pods_are_let_into_the_namespace(overlay: str) -> None:
    """Its operator alone makes pods that Pod Security `restricted` refuses."""
    override = one(overlay, "RabbitmqCluster", "fiona-rabbitmq")["spec"]["override"]["statefulSet"]["spec"]["template"]
    around = override["spec"]["securityContext"]
    assert (around["runAsNonRoot"], around["seccompProfile"]["type"]) == (True, "RuntimeDefault")
    inside = {
        each["name"]: each["securityContext"]
        for of in ("containers", "initContainers")
        for each in override["spec"][of]
    }
    assert inside.keys() == {"rabbitmq", "setup-container"}
    for each in inside.values():
        assert each["allowPrivilegeEscalation"] is False
        assert each["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("overlay", PRODUCTION)
def test_the_scaler_checks_the_broker_too_and_finds_it_from_its_own_namespace(overlay: str) -> None:
    told = one(overlay, "TriggerAuthentication", "fiona-bus")["spec"]["secretTargetRef"]
    refs = {each["parameter"]: (each["name"], each["key"]) for each in told}
    assert refs["ca"] == (AUTHORITY, "ca.crt")
    assert {refs["host"], refs["tls"]} == {("fiona-bus-scaling", "host"), ("fiona-bus-scaling", "tls")}
    given = secret(overlay, "fiona-bus-scaling")
    host = urlsplit(given["host"])
    assert (given["tls"], host.scheme, host.query) == ("enable", "amqps", "")
    assert host.hostname in signed(overlay, "fiona-rabbitmq-server")
    assert str(host.hostname).endswith(".fiona.svc")


@pytest.mark.parametrize("overlay", PRODUCTION)
def test_the_brokers_user_is_ours(overlay: str) -> None:
    spec = one(overlay, "RabbitmqCluster", "fiona-rabbitmq")["spec"]
    user = secret(overlay, spec["secretBackend"]["externalSecret"]["name"])
    assert user["default_user.conf"].split() == ["default_user", "=", user["username"], "default_pass", "=", "a/b"]
    assert urlsplit(secret(overlay, "fiona-bus")["url"]).username == user["username"]
    assert "default_user_tags.administrator = false" in spec["rabbitmq"]["additionalConfig"].splitlines()


@pytest.mark.parametrize("overlay", PRODUCTION)
def test_no_pod_sees_a_key_that_is_not_its_own(overlay: str) -> None:
    own = {"receiver-tls": {"fiona-receiver-tls"}}
    if overlay == "overlays/example-hospital":
        own |= {name: {"fiona-destinations"} for name in ("sender", "api", "monitor")}
    for name, pod, container in ours(overlay):
        seen = {secret for secret, files in mounted(pod, container).values() if secret != AUTHORITY or not files}
        assert seen == own.get(name, set()), name


@pytest.mark.parametrize("overlay", PRODUCTION)
def test_people_come_by_https_and_certificates_that_we_serve_are_watched(overlay: str) -> None:
    ingress = one(overlay, "Ingress", "api")
    assert ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/ssl-redirect"] == "true"
    hosts = {host for each in ingress["spec"]["tls"] for host in each["hosts"]}
    assert {rule["host"] for rule in ingress["spec"]["rules"]} == hosts
    told = {name: environment(container) for name, _, container in ours(overlay)}
    assert {urlsplit(told["api"]["FIONA_API_PUBLIC_URL"]).hostname} == hosts
    assert told["api"]["FIONA_API_PUBLIC_URL"].startswith("https://")
    assert told["monitor"]["FIONA_MONITOR_CERTIFICATES"] == "receiver-tls:2762"


@pytest.mark.parametrize("overlay", PRODUCTION)
def test_the_database_is_backed_up(overlay: str) -> None:
    [plugin] = one(overlay, "Cluster", "fiona-postgres")["spec"]["plugins"]
    store = one(overlay, "ObjectStore", plugin["parameters"]["barmanObjectName"])["spec"]
    nightly = one(overlay, "ScheduledBackup", "fiona-postgres")["spec"]
    assert plugin["isWALArchiver"] is True
    assert (nightly["method"], nightly["pluginConfiguration"]["name"]) == ("plugin", plugin["name"])
    assert nightly["cluster"]["name"] == "fiona-postgres"
    assert len(nightly["schedule"].split()) == 6
    assert store["retentionPolicy"].endswith("d")
    keys = {(each["name"], each["key"]) for each in store["configuration"]["s3Credentials"].values()}
    given = one(overlay, "ExternalSecret", "fiona-backup")["spec"]["data"]
    assert keys == {("fiona-backup", each["secretKey"]) for each in given}


def most(overlay: str) -> dict[str, int]:
    """How many of each there may be."""
    found = {each["metadata"]["name"]: each["spec"].get("replicas", 1) for each in of_kind(overlay, "Deployment")}
    for each in of_kind(overlay, "HorizontalPodAutoscaler"):
        found[each["spec"]["scaleTargetRef"]["name"]] = each["spec"]["maxReplicas"]
    for each in of_kind(overlay, "ScaledObject"):
        found[each["spec"]["scaleTargetRef"]["name"]] = each["spec"]["maxReplicaCount"]
    return found


@pytest.mark.parametrize("overlay", PRODUCTION)
def test_the_database_has_a_connection_for_everybody(overlay: str) -> None:
    pool = Database("postgresql+asyncpg://nobody@nowhere/none").engine.pool
    each = pool.size() + pool._max_overflow  # type: ignore[attr-defined]
    named = {name for name, _, container in ours(overlay) if "FIONA_DATABASE_URL" in environment(container)}
    parameters = one(overlay, "Cluster", "fiona-postgres")["spec"]["postgresql"]["parameters"]
    processes = sum(number for name, number in most(overlay).items() if name in named)
    assert processes > 20
    # A tenth is left for whoever is moved to another node meanwhile, the operator, and people.
    assert processes * each < 0.9 * int(parameters["max_connections"])


@pytest.mark.parametrize("overlay", PRODUCTION)
def test_who_scales_says_how_many(overlay: str) -> None:
    """A number in the Deployment would be set back to by each `apply`; nothing is scaled to none."""
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in of_kind(overlay, "HorizontalPodAutoscaler")}
    scaled |= {each["spec"]["scaleTargetRef"]["name"] for each in of_kind(overlay, "ScaledObject")}
    for each in of_kind(overlay, "Deployment"):
        assert ("replicas" not in each["spec"]) == (each["metadata"]["name"] in scaled)
    least = [each["spec"]["minReplicas"] for each in of_kind(overlay, "HorizontalPodAutoscaler")]
    least += [each["spec"]["minReplicaCount"] for each in of_kind(overlay, "ScaledObject")]
    assert min(least) >= 2


@pytest.mark.parametrize("overlay", PRODUCTION)
def test_who_works_is_not_scaled_away_at_once(overlay: str) -> None:
    """One pod in five minutes, and none before it has been calm for ten: both scalers alike."""
    told = [each["spec"]["behavior"] for each in of_kind(overlay, "HorizontalPodAutoscaler")]
    told += [
        each["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        for each in of_kind(overlay, "ScaledObject")
    ]
    assert len(told) == 5
    for each in told:
        assert each["scaleDown"]["stabilizationWindowSeconds"] == 600
        assert each["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 300}]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_budget_holds_up_a_node(overlay: str) -> None:
    for each in of_kind(overlay, "PodDisruptionBudget"):
        spec = each["spec"]
        assert (spec["maxUnavailable"], "minAvailable" in spec) == (1, False)
        if each["metadata"]["name"] != "fiona-rabbitmq":
            assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_de_identifies_fits_into_its_limits(overlay: str) -> None:
    [container] = [container for name, _, container in ours(overlay) if service_of(name) == "anonymizer"]
    told = environment(container)
    settings = AnonymizerSettings(
        workers=int(told["FIONA_ANONYMIZER_WORKERS"]), memory=int(told["FIONA_ANONYMIZER_MEMORY"])
    )
    limits = container["resources"]["limits"]
    assert settings.workers == int(limits["cpu"])
    # Reading text in pixels needs about 1000 (docs/services/anonymizer.md); the parent has 256 of its own.
    assert settings.memory > 1500
    assert settings.workers * settings.memory + 256 <= int(limits["memory"][:-2]) * MI[limits["memory"][-2:]]


@pytest.mark.parametrize("section", ["Upgrade", "Restore"])
def test_what_operations_scales_to_none_it_scales_up_again(section: str) -> None:
    """`apply` does so for a Deployment that says how many it has; what a scaler holds stays at none without a word."""
    told = (ROOT / "docs/operations.md").read_text("utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    least = {each["metadata"]["name"]: each["spec"].get("replicas") for each in of_kind(PRODUCTION[0], "Deployment")}
    for each in of_kind(PRODUCTION[0], "HorizontalPodAutoscaler"):
        least[each["spec"]["scaleTargetRef"]["name"]] = each["spec"]["minReplicas"]
    for each in of_kind(PRODUCTION[0], "ScaledObject"):
        least[each["spec"]["scaleTargetRef"]["name"]] = each["spec"]["minReplicaCount"]
    by_hand = {
        each["metadata"]["name"] for each in of_kind(PRODUCTION[0], "Deployment") if "replicas" not in each["spec"]
    }
    up = {
        name: int(number)
        for number, names in re.findall(r"kubectl -n fiona scale deployment --replicas=([1-9]) ([a-z -]+)", told)
        for name in names.split()
    }
    # The receivers go on during an upgrade.
    assert up == {name: least[name] for name in by_hand - ({"receiver"} if section == "Upgrade" else set())}
    assert "scaledobject --all autoscaling.keda.sh/paused-replicas-" in told


@pytest.mark.parametrize("overlay", PRODUCTION)
def test_the_group_without_identities_is_older_than_the_schema(overlay: str) -> None:
    """The Job `migrate` gives it its rights once; the operator makes managed roles some time after the database."""
    cluster = one(overlay, "Cluster", "fiona-postgres")["spec"]
    assert cluster["bootstrap"]["initdb"]["postInitSQL"] == [f"CREATE ROLE {GROUP} NOLOGIN"]
    assert {"name": GROUP, "login": False} in cluster["managed"]["roles"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_schema_is_made_by_a_job_that_goes_away(overlay: str) -> None:
    [job] = of_kind(overlay, "Job")
    assert job["spec"]["ttlSecondsAfterFinished"] > 3600
    assert one(overlay, "ConfigMap", "fiona")["data"]["FIONA_MIGRATE"] == "false"
    assert all(each["kind"] != "CronJob" for each in read(overlay))


def test_a_component_is_added_to_an_overlay(tmp_path: Path) -> None:
    """Restored: the new database begins with the old one's backups, and keeps its own log apart from them."""
    parts = {"resources": ["overlays/production"], "components": ["components/restored", "components/traces"]}
    here = {key: [os.path.relpath(ROOT / "deploy/k8s" / each, tmp_path) for each in of] for key, of in parts.items()}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(here))
    assert not list(faults(tmp_path))
    [cluster] = [each["spec"] for each in manifests(tmp_path) if each["kind"] == "Cluster"]
    assert list(cluster["bootstrap"]) == ["recovery"]
    [before], [plugin] = cluster["externalClusters"], cluster["plugins"]
    assert cluster["bootstrap"]["recovery"]["source"] == before["name"]
    assert before["plugin"]["name"] == plugin["name"]
    assert before["plugin"]["parameters"]["barmanObjectName"] == plugin["parameters"]["barmanObjectName"]
    assert before["plugin"]["parameters"]["serverName"] == "fiona-postgres" != plugin["parameters"]["serverName"]


def test_traces_have_a_way_to_their_collector() -> None:
    overlay = "overlays/example-hospital"
    endpoint = urlsplit(one(overlay, "ConfigMap", "fiona")["data"]["FIONA_OTLP_ENDPOINT"])
    [rule] = one(overlay, "NetworkPolicy", "to-traces")["spec"]["egress"]
    assert [each["port"] for each in rule["ports"]] == [endpoint.port]
    [to] = [each["namespaceSelector"]["matchLabels"].values() for each in rule["to"]]
    assert str(endpoint.hostname).split(".")[1:] == [*to, "svc"]


def test_prometheus_asks_pods_at_ports_that_they_have_and_may() -> None:
    overlay = "overlays/example-hospital"
    asked = {each["metadata"]["name"]: each["spec"]["podMetricsEndpoints"] for each in of_kind(overlay, "PodMonitor")}
    assert {endpoint["port"] for endpoint in asked["fiona"]} == {"health"}
    for name, _, container in ours(overlay):
        assert name == "migrate" or "health" in {port["name"] for port in container["ports"]}
    tls = asked["rabbitmq"][0]["tlsConfig"]
    assert (tls["ca"]["secret"]["name"], tls["serverName"] in signed(overlay, "fiona-rabbitmq-server")) == (
        AUTHORITY,
        True,
    )
    let_in = [
        port["port"]
        for policy in of_kind(overlay, "NetworkPolicy")
        for rule in policy["spec"].get("ingress", ())
        for peer in rule["from"]
        if peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name") == "monitoring"
        for port in rule["ports"]
    ]
    assert sorted(let_in) == [8081, 9187, 15691]
