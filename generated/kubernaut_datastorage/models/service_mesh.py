from typing import Literal, cast

ServiceMesh = Literal["*", "istio", "linkerd"]

SERVICE_MESH_VALUES: set[ServiceMesh] = {
    "*",
    "istio",
    "linkerd",
}


def check_service_mesh(value: str) -> ServiceMesh:
    """Return the value as it came; one from a newer service passes through"""
    return cast(ServiceMesh, value)
