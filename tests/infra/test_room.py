"""A room of namespaces: its own ports and names, the checkout read-only, a container's own secrets and volumes."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from infra.checks import room
from infra.embedded.layout import HOME

pytestmark = pytest.mark.skipif(room.available() is not None, reason=f"no room here: {room.available()}")

INSIDE = """
import json, sys
from pathlib import Path
from infra.checks.room import Container, furnish
state = Path(sys.argv[1])
furnish(["shop"], state)
(state / "secret").write_text("told")
(state / "volume").mkdir(mode=0o777)
(state / "volume").chmod(0o777)
script = '''
id -u; cat /run/secrets/one; echo; ls /run/secrets; getent hosts shop | cut -d" " -f1
touch lake/x 2>&1 | grep -o "Read-only.*"; echo kept > var/kept; cat docker-compose.yml | head -c 1; echo
grep CapBnd /proc/self/status; echo "$A"
'''
one = Container("one", ["sh", "-c", script], {"PATH": "/usr/bin:/bin", "A": "b c"}, {"one": state / "secret"},
                {"/opt/nightshelf/var": state / "volume"})
done = one.run(20)
print(json.dumps({"out": done.stdout, "err": done.stderr, "kept": (state / "volume" / "kept").read_text()}))
"""


def test_a_container_sees_its_own_secrets_volumes_and_names() -> None:
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        namespaces = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
        command = [*namespaces, sys.executable, "-c", INSIDE, str(folder)]
        done = subprocess.run(command, cwd=HOME, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["err"] == ""
        assert told["out"].splitlines() == [
            *("10001", "told", "one", "127.0.0.1", "Read-only file system", "#"),
            *("CapBnd:\t0000000000000000", "b c"),
        ]
        assert told["kept"] == "kept\n"
        assert not (HOME / "var" / "kept").exists()
        assert "shop" not in Path("/etc/hosts").read_text(), "what was mounted there stayed there"
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)
