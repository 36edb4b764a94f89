"""What must hold of the container files: pinned, locked, not as root, and in step with the project and each other."""

import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from aen_agents.config import load_config
from aen_service.commands import DEFAULT_PORT
from aen_service.service import FIRST_LINK_FILE

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
IMAGES = ("Dockerfile", "Dockerfile.cuda")
ENTRYPOINT = (DOCKER / "entrypoint.sh").read_text()
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def _instructions(name: str) -> list[tuple[str, str]]:
    """Return (instruction, words) of a Dockerfile: continued lines joined, comments left out."""
    text = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", (DOCKER / name).read_text()))
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in text.splitlines() if line.strip()]


def _locked(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[^\s;]+", line) for line in lines), path.name
    return {name.lower().replace("_", "-"): version for name, version in (line.split("==") for line in lines)}


def _wanted(package: str, extra: str) -> set[str]:
    """Return the names that an installed package requires, with one of its extras."""
    from packaging.requirements import Requirement

    requirements = [Requirement(text) for text in importlib.metadata.requires(package) or []]
    return {
        r.name.lower().replace("_", "-")
        for r in requirements
        if r.marker is None or r.marker.evaluate({"extra": extra})
    }


def _ignored(path: str) -> bool:
    """Say whether .dockerignore keeps a path from the builder: its last pattern that fits decides."""
    ignored = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if pattern and not line.startswith("#"):
            parents = [path, *(str(p) for p in PurePosixPath(path).parents)]
            anywhere = pattern.removeprefix("**/")
            names = [PurePosixPath(p).name for p in parents] if anywhere != pattern else parents
            if any(
                PurePosixPath(name).match(anywhere) and name.count("/") == anywhere.count("/") for name in names if name
            ):
                ignored = not line.startswith("!")
    return ignored


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_pinned_locked_and_not_roots(name: str) -> None:
    instructions = _instructions(name)
    arguments = dict(words.split("=", 1) for kind, words in instructions if kind == "ARG")
    stages: set[str] = set()
    for words in [words.split() for kind, words in instructions if kind == "FROM"]:
        base = re.sub(r"\$\{(\w+)\}", lambda match: arguments[match[1]], words[0])
        assert base in stages or re.fullmatch(r"[\w./-]+:\d+\.\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?", base), base
        stages.update(words[2:])
    assert len(stages) >= 1, "one stage builds, another runs"
    users = [words for kind, words in instructions if kind == "USER"]
    assert users == ["1000:1000"]
    assert instructions.index(("USER", "1000:1000")) > max(
        i for i, (kind, _) in enumerate(instructions) if kind == "RUN"
    )
    kinds = [kind for kind, _ in instructions]
    assert kinds.count("HEALTHCHECK") == kinds.count("ENTRYPOINT") == kinds.count("CMD") == 1
    assert dict(instructions)["ENTRYPOINT"] == '["tini", "--", "aen-entrypoint"]'
    text = (DOCKER / name).read_text()
    assert ":latest" not in text
    assert not re.search(r"(?im)^(ARG|ENV) .*(token|secret|passw)", text), "what stands there is kept in the image"
    # torch as in the Makefile, then the lock without requirements, then the code: each in a layer of its own.
    torch = re.search(r"(?m)^TORCH := (\S+)$", (ROOT / "Makefile").read_text())
    assert torch is not None
    assert arguments["TORCH"] == torch[1]
    runs = [(i, words) for i, (kind, words) in enumerate(instructions) if kind == "RUN"]
    (torch_at,) = [i for i, words in runs if 'pip install --no-index --find-links /wheels/torch "${TORCH}"' in words]
    (lock_at,) = [
        i for i, words in runs if "pip install --no-index --no-deps" in words and "requirements.lock" in words
    ]
    code_at = instructions.index(("COPY", "aen aen"))
    assert torch_at < lock_at < code_at
    (apt,) = [words for _, words in runs if "apt-get install" in words]
    packages = apt.partition("--no-install-recommends ")[2].partition(" &&")[0].split()
    assert packages
    assert all(re.fullmatch(r'"\w+=\d[^"]*"', package) for package in packages)


@pytest.mark.parametrize("name", IMAGES)
def test_what_an_image_copies_exists_and_reaches_the_builder(name: str) -> None:
    copied = [words.split() for kind, words in _instructions(name) if kind == "COPY" and "--from=" not in words]
    sources = [word for words in copied for word in words[:-1] if not word.startswith("--")]
    assert {"aen", "envs", "agents", "configs", "requirements.lock", "docker/entrypoint.sh"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert not _ignored(source), source


def test_nothing_else_reaches_the_builder() -> None:
    for path in (
        ".git",
        ".git/config",
        ".env",
        "docker/.env",
        "runs",
        ".venv",
        "tests",
        "aen/__pycache__",
        "aen/x.pyc",
    ):
        assert _ignored(path), path
    assert not _ignored("aen/errors.py")


def test_the_images_differ_by_torchs_index_and_the_gpus() -> None:
    cpu, cuda = (_instructions(name) for name in IMAGES)
    index = "TORCH_INDEX=https://download.pytorch.org/whl/"
    assert [line for line in cpu if line not in cuda] == [("ARG", f"{index}cpu")]
    others = [line for line in cuda if line not in cpu]
    assert re.fullmatch(re.escape(index) + r"cu\d{3}", others[0][1])
    assert others[1:] == [("ENV", "NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility")]


def test_the_locks_hold_what_torch_and_rays_dashboard_need() -> None:
    lock, more = _locked(ROOT / "requirements.lock"), _locked(DOCKER / "requirements-dashboard.lock")
    assert not lock.keys() & more.keys(), "one lock for each package"
    assert _wanted("ray", "default") <= lock.keys() | more.keys()
    cuda = {name for name in _wanted("torch", "") if name.startswith(("nvidia-", "cuda-", "triton"))}
    assert _wanted("torch", "") - cuda <= lock.keys() | {"setuptools"}


def _resolved(text: str, **environment: str) -> str:
    """Put values in for ${NAME:-default}, as compose does."""

    def value(match: re.Match[str]) -> str:
        assert match[2] is not None, f"{match[1]} has no default"
        return environment.get(match[1], match[2])

    return re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", value, text)


def _compose(name: str, **environment: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(_resolved((DOCKER / name).read_text(), **environment))
    return content


ROLES = set(re.findall(r"(?m)^  (\w+)\) run_|^  (\w+)\)$", ENTRYPOINT.partition("\ncase $role in")[2]))
ROLE_NAMES = {name for pair in ROLES for name in pair if name}


def _words(command: str | list[str]) -> list[str]:
    return command if isinstance(command, list) else shlex.split(command)


def _check_search(words: list[str]) -> None:
    """Check that a search's words are a config of the repository and overrides that fit it."""
    config, *rest = words
    overrides = rest[: rest.index("--out")] if "--out" in rest else rest
    loaded = load_config(ROOT / config, ["evaluator.kind=ray", "cluster.address=head:6379", *overrides])
    assert loaded.evaluator.kind == "ray"


def test_compose_describes_a_cluster() -> None:
    compose = _compose("compose.yaml")
    services = compose["services"]
    assert set(services) == {"head", "worker", "search", "serve", "tensorboard"}
    for name, service in services.items():
        assert _words(service["command"])[0] == name
        assert name in ROLE_NAMES
        assert service["image"] == f"aen:{VERSION}"
        assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
        assert "memory" in service["deploy"]["resources"]["limits"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["user"] == "1000:1000"
        assert service["read_only"] is True
        assert {mount.partition(":")[0] for mount in service["tmpfs"]} == {"/tmp", "/home/aen/.cache"}  # noqa: S108 - a tmpfs
        assert 0 < service["pids_limit"] < 2**16
        assert not {"privileged", "cap_add", "network_mode", "pid", "ipc"} & service.keys()
        assert any(volume.startswith("runs:/home/aen/runs") for volume in service["volumes"])
    nodes = [services[name] for name in ("head", "worker", "search", "serve")]
    assert {tuple(node["networks"]) for node in nodes} == {("cluster",)}
    assert services["tensorboard"]["networks"] == ["board"], "TensorBoard is published, and needs no cluster"
    assert compose["networks"].keys() == {"cluster", "board"}
    assert all(node["shm_size"] and node["secrets"] == ["ray_token"] for node in nodes)
    assert {node["environment"]["RAY_AUTH_TOKEN_PATH"] for node in nodes} == {"/run/secrets/ray_token"}
    assert compose["secrets"] == {"ray_token": {"environment": "AEN_RAY_TOKEN"}}
    for name in ("worker", "search", "serve"):
        assert services[name]["depends_on"]["head"] == {"condition": "service_healthy"}
    assert services["worker"]["deploy"]["replicas"] == 2 == services["search"]["environment"]["AEN_WORKERS"]
    _check_search(_words(services["search"]["command"])[1:])


def test_the_service_of_compose_submits_to_the_head() -> None:
    services = _compose("compose.yaml")["services"]
    head, serve = services["head"], services["serve"]
    assert serve["environment"]["AEN_RAY_JOBS"] == f"http://head:{head['environment']['AEN_DASHBOARD_PORT']}"
    assert serve["volumes"][0] in head["volumes"], "searches run on the head, under the same path"
    assert services["search"]["volumes"][1] in head["volumes"], "and read the images there"
    assert serve["profiles"] == ["service"], "a search alone needs no service"
    assert serve["healthcheck"]["test"] == ["CMD", "aen-entrypoint", "healthcheck", "serve"]
    assert serve["restart"] == "unless-stopped"


def test_compose_scales_by_one_variable() -> None:
    services = _compose("compose.yaml", AEN_WORKERS="7", AEN_CPUS="3")["services"]
    assert services["worker"]["deploy"]["replicas"] == 7 == services["search"]["environment"]["AEN_WORKERS"]
    assert services["worker"]["environment"]["AEN_CPUS"] == 3
    assert services["worker"]["deploy"]["resources"]["limits"]["cpus"] == "3"


def test_the_cuda_override_fits_compose() -> None:
    base, override = _compose("compose.yaml")["services"], _compose("compose.cuda.yaml")["services"]
    assert set(override) == set(base)
    assert {service["image"] for service in override.values()} == {f"aen:{VERSION}-cuda"}
    assert {service["build"]["dockerfile"] for service in override.values()} == {"docker/Dockerfile.cuda"}
    worker = override["worker"]
    assert worker["deploy"]["replicas"] == 1 == int(override["search"]["environment"]["AEN_WORKERS"])
    (device,) = worker["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
    assert device["count"] == worker["environment"]["AEN_GPUS"]
    _check_search(_words(override["search"]["command"])[1:])


def test_ports_agree() -> None:
    services = _compose("compose.yaml")["services"]
    found = re.findall(r"\$\{(RAY_PORT|AEN_SERVICE_PORT|TENSORBOARD_PORT):-(\d+)\}", ENTRYPOINT)
    defaults = dict(found)
    assert services["head"]["environment"]["RAY_PORT"] == defaults["RAY_PORT"]
    for name in ("worker", "search"):
        assert services[name]["environment"]["RAY_ADDRESS"] == f"head:{defaults['RAY_PORT']}"
    assert services["serve"]["ports"] == [f"127.0.0.1:8700:{defaults['AEN_SERVICE_PORT']}"]
    assert defaults["AEN_SERVICE_PORT"] == str(DEFAULT_PORT)
    assert services["tensorboard"]["ports"] == [f"127.0.0.1:6006:{defaults['TENSORBOARD_PORT']}"]
    assert not any("ports" in services[name] for name in ("head", "worker", "search")), "the cluster stays inside"
    for image in IMAGES:
        assert set(dict(_instructions(image))["EXPOSE"].split()) == set(defaults.values())


def test_every_variable_is_explained() -> None:
    comments: set[str] = set()
    for name in ("compose.yaml", "compose.cuda.yaml"):  # the second stands on the first
        text = (DOCKER / name).read_text()
        comments |= set(re.findall(r"[A-Z_]{5,}", "\n".join(re.findall(r"(?m)^#   (.*)$", text))))
        assert set(re.findall(r"\$\{(\w+)", text)) <= comments, name
    explained = set(re.findall(r"(?m)^#   ([A-Z_]{4,})", ENTRYPOINT))
    used = set(re.findall(r"\$\{?((?:RAY|AEN|TENSORBOARD)_[A-Z_]+)", ENTRYPOINT))
    assert used <= explained


def _kubernetes() -> list[Any]:
    return list(yaml.safe_load_all((DOCKER / "kuberay-rayjob.yaml").read_text()))


def _service() -> list[Any]:
    return list(yaml.safe_load_all((DOCKER / "kubernetes-serve.yaml").read_text()))


def test_the_first_link_is_where_the_kubernetes_file_says() -> None:
    head = (DOCKER / "kubernetes-serve.yaml").read_text().partition("apiVersion")[0]
    assert f"runs/.aen-service/{FIRST_LINK_FILE}" in head


def _pod_templates() -> dict[str, Any]:
    spec = _kubernetes()[2]["spec"]
    cluster = spec["rayClusterSpec"]
    groups = {group["groupName"]: group["template"] for group in cluster["workerGroupSpecs"]}
    pods = {"submitter": spec["submitterPodTemplate"], "head": cluster["headGroupSpec"]["template"], **groups}
    return pods | {"serve": _service()[3]["spec"]["template"]}


@pytest.mark.parametrize("name", ["submitter", "head", "workers", "serve"])
def test_every_pod_is_restricted(name: str) -> None:
    """As the Pod Security Standard "restricted" asks, and more."""
    assert len(_pod_templates()) == 4
    pod = _pod_templates()[name]["spec"]
    assert pod["automountServiceAccountToken"] is False, "no pod calls the API of Kubernetes"
    assert not {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"} & pod.keys()
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] == context["runAsGroup"] == context["fsGroup"] == 1000
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["image"] == f"aen:{VERSION}"
    for kind in ("requests", "limits"):
        assert container["resources"][kind].keys() == {"cpu", "memory", "ephemeral-storage"}
    assert "command" not in container, "KubeRay puts its own there"
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume.pop("name"): volume for volume in pod["volumes"]}
    assert mounts.keys() - {"/home/aen/runs"} == {"/tmp"}  # noqa: S108 - in the pod
    assert set(mounts.values()) == volumes.keys()
    assert all(v.keys() <= {"emptyDir", "persistentVolumeClaim"} for v in volumes.values()), "nothing of the host"
    assert volumes[mounts["/tmp"]]["emptyDir"]["sizeLimit"]  # noqa: S108
    if name == "submitter":
        assert pod["restartPolicy"] == "Never"
        assert container["name"] == "ray-job-submitter", "KubeRay looks for that name"


def test_the_network_policy_selects_the_pods_and_nothing_else_reaches_them() -> None:
    policy = _kubernetes()[1]
    assert (policy["apiVersion"], policy["kind"]) == ("networking.k8s.io/v1", "NetworkPolicy")
    spec = policy["spec"]
    selected = spec["podSelector"]["matchLabels"]
    assert selected
    for name in ("submitter", "head", "workers"):
        template = _pod_templates()[name]
        assert selected.items() <= template["metadata"]["labels"].items(), name
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    own, operator = spec["ingress"]
    assert own == {"from": [{"podSelector": spec["podSelector"]}]}
    (peer,) = operator["from"]
    assert peer["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "kuberay-operator"}
    assert [port["port"] for port in operator["ports"]] == [8265], "the operator asks the dashboard for the job"
    inside, names = spec["egress"]
    assert inside == {"to": [{"podSelector": spec["podSelector"]}]}
    assert {port["port"] for port in names["ports"]} == {53}


def test_kubernetes_schemas_accept_the_files() -> None:
    if shutil.which("kubeconform") is None:
        pytest.skip("kubeconform is not installed")
    command = ["kubeconform", "-strict", "-ignore-missing-schemas", *map(str, DOCKER.glob("kube*.yaml"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if "failed downloading schema" in done.stdout + done.stderr:
        pytest.skip("kubeconform cannot download the schemas")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("files", [["compose.yaml"], ["compose.yaml", "compose.cuda.yaml"]], ids=["cpu", "cuda"])
def test_compose_accepts_the_files(files: list[str]) -> None:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "compose", "version"], check=False, capture_output=True).returncode
    ):
        pytest.skip("docker compose is not installed")
    words = [word for name in files for word in ("-f", str(DOCKER / name))]
    done = subprocess.run(
        ["docker", "compose", *words, "config", "--quiet"],
        env=os.environ | {"AEN_RAY_TOKEN": "t"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_the_rayjob_is_one() -> None:
    volume, _, job = _kubernetes()
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert (volume["apiVersion"], volume["kind"]) == ("v1", "PersistentVolumeClaim")
    spec = job["spec"]
    aen, command, config, *words = spec["entrypoint"].split()
    assert (aen, command) == ("aen", "search")
    _check_search([config.removeprefix("/home/aen/"), *words])
    runs = words[words.index("--out") + 1]
    assert spec["shutdownAfterJobFinishes"] is True
    cluster = spec["rayClusterSpec"]
    assert cluster["rayVersion"] == _locked(ROOT / "requirements.lock")["ray"]
    assert cluster["authOptions"] == {"mode": "token"}
    head, (group,) = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    assert 0 < group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    assert group["groupName"]
    for part in (head, group):
        assert all(isinstance(value, str) for value in part["rayStartParams"].values()), "KubeRay wants strings"
        pod = part["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 1000
    (container,) = head["template"]["spec"]["containers"]
    (mount,) = [mount for mount in container["volumeMounts"] if runs.startswith(mount["mountPath"] + "/")]
    (pod_volume,) = [v for v in head["template"]["spec"]["volumes"] if v["name"] == mount["name"]]
    assert pod_volume["persistentVolumeClaim"]["claimName"] == volume["metadata"]["name"]


def test_the_service_of_kubernetes_is_one_pod_that_clients_reach() -> None:
    volume, policy, service, deployment = _service()
    kinds = [(part["apiVersion"], part["kind"]) for part in (volume, policy, service, deployment)]
    assert kinds == [
        ("v1", "PersistentVolumeClaim"),
        ("networking.k8s.io/v1", "NetworkPolicy"),
        ("v1", "Service"),
        ("apps/v1", "Deployment"),
    ]
    spec = deployment["spec"]
    labels, pod = spec["template"]["metadata"]["labels"], spec["template"]["spec"]
    for selector in (
        spec["selector"]["matchLabels"],
        service["spec"]["selector"],
        policy["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector
        assert selector.items() <= labels.items()
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"}), "a root has one service"
    (container,) = pod["containers"]
    assert container["args"][0] == "serve"
    assert "serve" in ROLE_NAMES
    (port,) = container["ports"]
    assert port["containerPort"] == DEFAULT_PORT == service["spec"]["ports"][0]["port"]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    assert [rule["port"] for rule in policy["spec"]["ingress"][0]["ports"]] == [DEFAULT_PORT]
    assert {rule["port"] for rule in policy["spec"]["egress"][0]["ports"]} == {53}
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[name]["httpGet"]
        assert asked["path"] == "/healthz", "it needs no token"
        assert asked["httpHeaders"] == [{"name": "Host", "value": "127.0.0.1"}]
    names = {entry["name"]: entry["value"] for entry in container["env"]}
    assert names["AEN_SERVICE_HOSTS"] == service["metadata"]["name"]
    claims = [part["persistentVolumeClaim"]["claimName"] for part in pod["volumes"] if "persistentVolumeClaim" in part]
    assert claims == [volume["metadata"]["name"]]


def test_no_token_stands_in_a_file() -> None:
    for path in (*DOCKER.iterdir(), ROOT / "docs" / "docker.md"):
        assert not re.search(r"\b[0-9a-f]{32,}\b", path.read_text()), path.name
