"""The fields of what `deploy/kuberay/` uses, with their types, as KubeRay's ray.io/v1 and Kubernetes' v1 publish them.

A field that is not here is either wrong or new: look it up in the API reference, then add it. The API server drops
fields that it does not know, so a misspelt one has no effect and no error.
"""

from __future__ import annotations

from typing import Any, cast

Fields = dict[str, Any]
"""Field → its type: a class, a mapping of fields, or a list with the type of its items. `ANY` takes any text keys."""

ANY = "*"
TEXTS: Fields = {ANY: str}

SECRET_KEY: Fields = {"name": str, "key": str, "optional": bool}
ENV: Fields = {"name": str, "value": str, "valueFrom": {"secretKeyRef": SECRET_KEY}}
CONTAINER: Fields = {
    "name": str,
    "image": str,
    "ports": [{"containerPort": int, "name": str}],
    "env": [ENV],
    "resources": {"requests": TEXTS, "limits": TEXTS},
    "volumeMounts": [{"name": str, "mountPath": str}],
}
POD: Fields = {
    "containers": [CONTAINER],
    "volumes": [{"name": str, "emptyDir": {}}],
    "tolerations": [{"key": str, "operator": str, "effect": str}],
}
TEMPLATE: Fields = {"metadata": {"labels": TEXTS}, "spec": POD}

WORKERS: Fields = {
    "groupName": str,
    "replicas": int,
    "minReplicas": int,
    "maxReplicas": int,
    "numOfHosts": int,
    "rayStartParams": TEXTS,
    "template": TEMPLATE,
}
CLUSTER: Fields = {
    "rayVersion": str,
    "enableInTreeAutoscaling": bool,
    "autoscalerOptions": {"upscalingMode": str, "idleTimeoutSeconds": int},
    "headGroupSpec": {"serviceType": str, "rayStartParams": TEXTS, "template": TEMPLATE},
    "workerGroupSpecs": [WORKERS],
}
SERVICE: Fields = {"serveConfigV2": str, "rayClusterConfig": CLUSTER}

KINDS: dict[tuple[str, str], Fields] = {
    ("ray.io/v1", "RayCluster"): {"spec": CLUSTER},
    ("ray.io/v1", "RayService"): {"spec": SERVICE},
    ("v1", "Secret"): {"type": str, "stringData": TEXTS},
}


def flaws(found: Any, expected: Any, path: str = "") -> list[str]:
    """What of a document is not as published: fields that are not there, and values of another type."""
    if isinstance(expected, dict):
        if not isinstance(found, dict):
            return [f"{path}: found {found!r}, expected a mapping"]
        fields, known = cast("Fields", found), cast("Fields", expected)
        return [flaw for key, value in fields.items() for flaw in _of_field(key, value, known, f"{path}.{key}")]
    if isinstance(expected, list):
        if not _is_list(found):
            return [f"{path}: found {found!r}, expected a list"]
        return [flaw for number, item in enumerate(found) for flaw in flaws(item, expected[0], f"{path}[{number}]")]
    is_right = isinstance(found, expected) and not (expected is int and isinstance(found, bool))
    return [] if is_right else [f"{path}: found {found!r}, expected {expected.__name__}"]


def _is_list(found: object) -> bool:
    return isinstance(found, list)


def _of_field(key: str, value: Any, expected: Fields, path: str) -> list[str]:
    if key in expected or ANY in expected:
        return flaws(value, expected.get(key, expected.get(ANY)), path)
    return [f"{path}: there is no such field; known are {', '.join(expected)}"]


def flaws_of(document: Any) -> list[str]:
    """The same for a whole manifest."""
    kind = (document.get("apiVersion"), document.get("kind"))
    if kind not in KINDS:
        return [f"found {kind}, expected one of {sorted(KINDS)}"]
    common: Fields = {"apiVersion": str, "kind": str, "metadata": {"name": str, "labels": TEXTS}}
    return flaws(document, {**common, **KINDS[kind]})
