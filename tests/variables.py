"""The environment variables that a client reads; a test sets those that it is about."""

SETTINGS = (
    "KUBERNAUT_DATASTORAGE_URL",
    "DATA_STORAGE_URL",
    "KUBERNAUT_TOKEN",
    "KUBERNAUT_TOKEN_FILE",
    "KUBERNAUT_CA_FILE",
    "KUBERNAUT_CLIENT_CERT",
    "KUBERNAUT_CLIENT_KEY",
)
PROXIES = (
    *(f"{kind}_proxy" for kind in ("http", "https", "all", "no")),
    *(f"{kind}_PROXY" for kind in ("HTTP", "HTTPS", "ALL", "NO")),
)
