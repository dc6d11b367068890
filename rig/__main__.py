"""Builds the real parts that tests run against, into the cache: ``python -m rig``."""

from rig import kube, openstack, vcenter

if __name__ == "__main__":
    print("==> the real parts of the rig; a first build takes about 20 minutes on two cores", flush=True)
    for path in (vcenter.build(), *kube.build_all(), openstack.prepare()):
        print(path)
