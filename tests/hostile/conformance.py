"""Runs Autobahn's cases against an echo server and says what came of them.

    conformance.py ECHO [CASE…]

Called by tests/hostile/conformance, which installs what this needs.
"""

import asyncio
import collections
import json
import subprocess
import sys

from kosoku import FailureError, run_fuzzingclient

# 12 and 13 are compression, which is never negotiated here: it would tell lengths, and unpack bombs.
CORE = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"]
CORE_LEAST = 301
# With the limit that the service has, all cases whose messages fit into it.
USUAL = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]
USUAL_LEAST = 240
USUAL_BYTES_MAX = 8192
OVER_USUAL = ["1.1.6", "1.1.7", "1.1.8", "1.2.6", "1.2.7", "1.2.8", "10.1.1"]
# The largest message of 9.* has 16 MiB.
RAISED_BYTES_MAX = 16 * 1024 * 1024
PASSED = {"OK", "NON-STRICT", "INFORMATIONAL"}
PASSED_CLOSE = {"OK", "INFORMATIONAL"}


async def run(echo: str, bytes_max: int, cases: list[str], without: list[str]) -> list:
    server = subprocess.Popen([echo, str(bytes_max)], stdout=subprocess.PIPE, text=True)
    try:
        url = json.loads(server.stdout.readline())["url"]
        try:
            results = await asyncio.wait_for(
                run_fuzzingclient(url, cases, without), timeout=150
            )
        except FailureError as failure:
            results = failure.results
        if server.poll() is not None:
            raise SystemExit(f"the server ended with {server.returncode} during the cases")
        return results
    finally:
        server.kill()
        server.wait()


def tell(name: str, results: list, least: int) -> bool:
    """Prints the figures of a run and all that is not simply right; whether none failed."""
    n_by_verdict = collections.Counter(result.behavior.value for result in results)
    failed = 0
    for result in results:
        verdict, close = result.behavior.value, result.behavior_close.value
        bad = verdict not in PASSED or close not in PASSED_CLOSE
        failed += bad
        if bad or verdict != "OK":
            mark = "FAILED " if bad else ""
            print(f"{mark}{result.case_id}: {verdict}, close {close}; {result.result or ''}")
    verdicts = ", ".join(f"{n} {verdict}" for verdict, n in sorted(n_by_verdict.items()))
    print(f"show: {name}: {len(results)} cases, {failed} failed ({verdicts})")
    if len(results) < least:
        print(f"only {len(results)} of {least} cases ran")
        return False
    return failed == 0


async def main() -> int:
    echo, *named = sys.argv[1:]
    if named:
        results = await run(echo, RAISED_BYTES_MAX, named, [])
        return 0 if tell("conformance", results, 1) else 1
    whole = tell("conformance", await run(echo, RAISED_BYTES_MAX, CORE, []), CORE_LEAST)
    usual = tell(
        f"conformance with the service's limit of {USUAL_BYTES_MAX} bytes",
        await run(echo, USUAL_BYTES_MAX, USUAL, OVER_USUAL),
        USUAL_LEAST,
    )
    return 0 if whole and usual else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
