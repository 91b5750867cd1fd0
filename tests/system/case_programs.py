# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs of their own, each in a network namespace that it makes itself."""

import subprocess

from vnettest import BUILD, case


@case(limit=120)
def test_linkmon(_net):
    subprocess.run([BUILD / "tests/system/test_linkmon"], check=True)


@case(limit=120)
def test_priv(_net):
    subprocess.run([BUILD / "tests/system/test_priv"], check=True)


@case(limit=60)
def test_priv_esp(_net):
    subprocess.run([BUILD / "tests/system/test_priv_esp"], check=True)
