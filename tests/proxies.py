"""An environment whose proxies lead nowhere: what reaches a server on this machine goes by none of them."""

DEAD = "http://127.0.0.1:9"  # discard; nobody listens
NAMES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")
DEAD_PROXIES = {
    **dict.fromkeys((*NAMES, *map(str.upper, NAMES)), DEAD),
    **dict.fromkeys(("no_proxy", "NO_PROXY", "no_grpc_proxy"), ""),
}
