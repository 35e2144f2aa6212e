from typing import Literal, cast

GitOpsTool = Literal["*", "argocd", "flux"]

GIT_OPS_TOOL_VALUES: set[GitOpsTool] = {
    "*",
    "argocd",
    "flux",
}


def check_git_ops_tool(value: str) -> GitOpsTool:
    """Return the value as it came; one from a newer service passes through"""
    return cast(GitOpsTool, value)
