"""The kinds the operator works with, beside those of the target."""

from thresher.targets.harvester.objects import Kind

GROUP = "migration.harvesterhci.io"
IMPORT = Kind(GROUP, "v1beta1", "VirtualMachineImport", "virtualmachineimports")
VMWARE = Kind(GROUP, "v1beta1", "VmwareSource", "vmwaresources")
OPENSTACK = Kind(GROUP, "v1beta1", "OpenstackSource", "openstacksources")
OVA = Kind(GROUP, "v1beta1", "OvaSource", "ovasources")
SOURCES = {kind.name: kind for kind in (VMWARE, OPENSTACK, OVA)}

SECRET = Kind("", "v1", "Secret", "secrets")
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
POD = Kind("", "v1", "Pod", "pods")
EVENT = Kind("", "v1", "Event", "events")
SERVICE_ACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts")
ROLE = Kind("rbac.authorization.k8s.io", "v1", "Role", "roles")
ROLE_BINDING = Kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings")
JOB = Kind("batch", "v1", "Job", "jobs")
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases")

IMPORT_LABEL = "thresher.harvesterhci.io/import"
"""On everything that serves one transfer; its value is the import's UID."""
FINALIZER = "thresher.harvesterhci.io/cleanup"
