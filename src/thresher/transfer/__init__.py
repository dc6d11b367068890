"""The data plane: what a source sends becomes extents, inflated, written sparse, kept in a ledger.

It knows nothing of VMs or Kubernetes. Everything here blocks and runs in threads, but for
:class:`~thresher.transfer.disks.ThreadTransfer`, the asynchronous face.
"""
