# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kernel's path where there is ESP: every suite, and nothing in clear whatever others do."""

import os
import subprocess

from vnettest import BUILD, Skip, case


def program(name, *tests, **env):
    """Runs one of the test programs of the build, if it is there."""
    path = BUILD / "tests" / "system" / name
    if not path.exists():
        raise Skip(f"not built: {name}")
    done = subprocess.run([path, *tests], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=os.environ | {"VNET_NEEDS": "esp", "VNET_SEALED": "1", "VNET_SLOW": "5", **env},
                          check=False)
    assert done.returncode == 0, done.stdout


@case(limit=40)
def test_priv(net):
    """SAs, policies, barrier and programs; repaired, swept, and closed when they fail."""
    del net
    program("test_kernel")


@case(limit=40)
def test_many(net):
    """Thousands of peers and SAs."""
    del net
    program("test_kernel", "test_many*", VNET_MANY="2000")
