"""Builds the real parts that tests run against, into the cache: ``python -m rig [openstack]``."""

import sys

from rig import kube, openstack, vcenter

if __name__ == "__main__":
    if sys.argv[1:] == ["openstack"]:
        print("==> OpenStack's services; the first time takes about 10 minutes on two cores", flush=True)
        print(openstack.prepare())
    else:
        print("==> the real parts of the rig; a first build takes about 15 minutes on two cores", flush=True)
        for path in (vcenter.build(), *kube.build_all()):
            print(path)
