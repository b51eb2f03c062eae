"""wrk, the load generator: one thread, so that it takes as little of the two cores as it can."""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass

POST_LEADS = """
local n = 0
request = function()
  n = n + 1
  local body = "name=Ada+Sample" .. n .. "&email=%s" .. n .. "%%40example.com&phone=%%2B1202555" ..
    string.format("%%04d", n %% 10000) .. "&company=Sample+Ltd&message=Please+call+me+back+about+number+" .. n
  return wrk.format("POST", "%s", {["Content-Type"] = "application/x-www-form-urlencoded"}, body)
end
"""


@dataclass(frozen=True)
class Result:
    """Rates in requests a second, times in milliseconds."""

    rate: float
    p50: float
    p99: float
    requests: int
    errors: int


def needed() -> None:
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing:  sudo apt-get install -y wrk")


def get(url: str, *, seconds: int, connections: int) -> Result:
    return _run([url], seconds=seconds, connections=connections)


def post_leads(url: str, path: str, *, seconds: int, connections: int, prefix: str) -> Result:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(POST_LEADS % (prefix, path))
        script.flush()
        return _run(["-s", script.name, url], seconds=seconds, connections=connections)


def _run(words: list[str], *, seconds: int, connections: int) -> Result:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *words]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
    done = re.search(r"(\d+) requests in", out)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", out)
    assert done and rate, out
    errors = int(failed[1]) if failed else 0
    errors += sum(map(int, sockets.groups())) if sockets else 0
    return Result(float(rate[1]), _latency(out, 50), _latency(out, 99), int(done[1]), errors)


def _latency(out: str, percent: int) -> float:
    found = re.search(rf"\s{percent}%\s+([\d.]+)(us|ms|s|m)\s", out)
    assert found, out
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}[found[2]]
