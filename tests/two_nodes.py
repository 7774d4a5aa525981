"""A Ray cluster of two nodes with one core each, on this machine: `python two_nodes.py`.

The first line that is printed has its address for clients, and that for processes of this machine. Each line that comes in kills the worker of the second node, and its
process id is printed; the end of the input ends the cluster.
"""

import os
import signal
import socket
import sys
import time
from pathlib import Path

OTHERS = ("ray::IDLE", "ray::DashboardAgent", "ray::RuntimeEnvAgent", "ray::RemoteFlotillaRunner")
STORE = 200_000_000  # bytes of shared memory of each node


def start():
    from ray.cluster_utils import Cluster

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    calm = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, connect=False, head_node_args=calm | {"ray_client_server_port": port})
    second = cluster.add_node(num_cpus=1, object_store_memory=STORE)
    return cluster, second, f"ray://127.0.0.1:{port} {cluster.address}"


def working(second):
    """List the processes that the second node started for work of ours."""
    raylet = second.all_processes["raylet"][0].process.pid
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            name = (place / "cmdline").read_bytes().partition(b"\0")[0].decode()
        except OSError:  # it has ended meanwhile
            continue
        if parent == raylet and name.startswith("ray::") and not name.startswith(OTHERS):
            found.append(int(place.name))
    return found


def main():
    cluster, second, addresses = start()
    sys.stdout.write(f"{addresses}\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        until = time.monotonic() + 60
        while not (found := working(second)) and time.monotonic() < until:
            time.sleep(0.05)
        for process in found:
            os.kill(process, signal.SIGKILL)
        sys.stdout.write(f"{found}\n")
        sys.stdout.flush()
    cluster.shutdown()


if __name__ == "__main__":
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    main()
