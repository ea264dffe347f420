"""What `deploy/` holds, checked as far as it can be without a cluster, a cloud or a container engine."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

import runtime
from repertory.settings import read_settings
from tests.deploy.fields import flaws_of

ROOT = Path(runtime.__file__).parent.parent
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kuberay").glob("*.yaml"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def clusters() -> Iterator[tuple[str, Any]]:
    for path in MANIFESTS:
        found = load(path)
        if found["kind"] != "Secret":
            yield path.name, found["spec"].get("rayClusterConfig", found["spec"])


def containers(cluster: Any) -> Iterator[Any]:
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        yield from group["template"]["spec"]["containers"]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_a_manifest_has_published_fields_only(path: Path) -> None:
    assert flaws_of(load(path)) == []


def test_a_misspelt_field_and_a_wrong_type_are_found() -> None:
    found = load(DEPLOY / "kuberay" / "raycluster.yaml")
    found["spec"]["workerGroupSpecs"][0]["replica"] = 3
    found["spec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] = 0
    assert len(flaws_of(found)) == 2


def test_clusters_are_of_the_ray_that_is_installed_and_have_groups_with_and_without_a_gpu() -> None:
    for name, cluster in clusters():
        assert cluster["rayVersion"] == version("ray"), name
        groups = {group["groupName"]: group for group in cluster["workerGroupSpecs"]}
        assert groups.keys() == {"cpu", "gpu"}
        limits = groups["gpu"]["template"]["spec"]["containers"][0]["resources"]["limits"]
        assert limits["nvidia.com/gpu"] == "1"
        for group in groups.values():
            assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def test_each_secret_that_is_referred_to_is_in_the_example() -> None:
    known = load(DEPLOY / "kuberay" / "secret.example.yaml")
    for _, cluster in clusters():
        for container in containers(cluster):
            for variable in container.get("env", []):
                if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                    assert reference["name"] == known["metadata"]["name"]
                    assert reference["key"] in known["stringData"]


def test_the_environment_of_a_pod_makes_the_settings_that_are_meant() -> None:
    secret = load(DEPLOY / "kuberay" / "secret.example.yaml")["stringData"]
    cluster = dict(clusters())["raycluster.yaml"]
    variables = {
        variable["name"]: variable.get("value") or secret[variable["valueFrom"]["secretKeyRef"]["key"]]
        for variable in next(containers(cluster))["env"]
    }
    settings = read_settings(variables)
    assert settings.journal.path is None, "a journal that all nodes reach"
    assert settings.journal.secrets == (secret["journal-password"],)
    assert settings.memory == "s3://repertory/memory"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray's own models
def test_the_models_of_the_service_are_configured_as_ray_serve_expects() -> None:
    from ray.serve.schema import ServeDeploySchema

    config = yaml.safe_load(load(DEPLOY / "kuberay" / "rayservice.yaml")["spec"]["serveConfigV2"])
    (application,) = ServeDeploySchema.model_validate(config).applications
    assert application.import_path == "ray.serve.llm:build_openai_app"


def test_no_model_of_the_service_needs_the_cuda_toolkit_that_the_image_lacks() -> None:
    config = yaml.safe_load(load(DEPLOY / "kuberay" / "rayservice.yaml")["spec"]["serveConfigV2"])
    (application,) = config["applications"]
    for model in application["args"]["llm_configs"]:
        assert model["runtime_env"]["env_vars"]["VLLM_USE_FLASHINFER_SAMPLER"] == "0"


def test_the_launcher_s_file_is_valid_for_ray() -> None:
    from ray.autoscaler._private import util

    untyped: Any = util
    config = load(DEPLOY / "ray-cluster.yaml")
    untyped.validate_config(untyped.prepare_config(config))
    config["available_node_types"]["cpu"]["min_worker"] = 3
    with pytest.raises(Exception, match="min_worker"):
        untyped.validate_config(config)


def commands() -> list[str]:
    """The instructions of the Dockerfile, each on one line."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return [line for line in joined.splitlines() if line and not line.startswith("#")]


def test_the_image_is_made_of_files_that_exist_and_holds_all_that_is_installed() -> None:
    sources = [word for line in commands() if line.startswith("COPY") for word in line.split()[1:-1]]
    assert all((ROOT / source).exists() for source in sources)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project["tool"]["uv"]["build-backend"]["module-name"]) <= set(sources)
    assert {project["project"]["readme"], *project["project"]["license-files"]} <= set(sources)
    allowed = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[0] == "!"}
    assert allowed == set(sources)
    for of in ("cpu", "gpu"):
        for found in re.findall(r"requirements/\S+\.txt", DOCKERFILE):
            assert (ROOT / found.replace("${SET}", of)).exists()


def test_the_commands_of_the_image_are_those_of_what_it_installs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    installed = {"apt-get", "rm", "python", "useradd", "mkdir", "chown", ".venv/bin/python", ".venv/bin/uv"}
    installed |= project["project"]["scripts"].keys()
    runs = [part for line in commands() if line.startswith("RUN") for part in line[4:].split("&&")]
    assert {shlex.split(run)[0] for run in runs} <= installed
    pins = (ROOT / "requirements" / "bootstrap.txt").read_text(encoding="utf-8")
    assert "uv==" in pins
