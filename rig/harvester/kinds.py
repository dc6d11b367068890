"""The kinds that the simulated Harvester knows, and where the API server keeps them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource of the API.

    Attributes:
        api_version: ``group/version``, or ``v1`` for the core group.
        kind: as objects name it.
        plural: as paths name it.
        namespaced: whether its objects live in namespaces.
    """

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str = "", name: str = "", sub: str = "") -> str:
        """The path of one object, of a namespace's objects or of all."""
        root = "/apis/" if "/" in self.api_version else "/api/"
        parts = [root + self.api_version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        return "/".join(parts + [part for part in (name, sub) if part])


NAMESPACES = Kind("v1", "Namespace", "namespaces", namespaced=False)
PODS = Kind("v1", "Pod", "pods")
CLAIMS = Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
PERSISTENT_VOLUMES = Kind("v1", "PersistentVolume", "persistentvolumes", namespaced=False)
SECRETS = Kind("v1", "Secret", "secrets")
CONFIG_MAPS = Kind("v1", "ConfigMap", "configmaps")
SERVICE_ACCOUNTS = Kind("v1", "ServiceAccount", "serviceaccounts")
EVENTS = Kind("v1", "Event", "events")
JOBS = Kind("batch/v1", "Job", "jobs")
ROLES = Kind("rbac.authorization.k8s.io/v1", "Role", "roles")
ROLE_BINDINGS = Kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings")
STORAGE_CLASSES = Kind("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False)
CRDS = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
MUTATING = Kind(
    "admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", namespaced=False
)
VALIDATING = Kind(
    "admissionregistration.k8s.io/v1",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    namespaced=False,
)
IMAGES = Kind("harvesterhci.io/v1beta1", "VirtualMachineImage", "virtualmachineimages")
ADDONS = Kind("harvesterhci.io/v1beta1", "Addon", "addons")
MACHINES = Kind("kubevirt.io/v1", "VirtualMachine", "virtualmachines")
INSTANCES = Kind("kubevirt.io/v1", "VirtualMachineInstance", "virtualmachineinstances")
NETWORKS = Kind("k8s.cni.cncf.io/v1", "NetworkAttachmentDefinition", "network-attachment-definitions")
