"""From the typed manifest to the model value that decisions and translation read."""

import uuid

from thresher.api.common import API_VERSION
from thresher.api.virtualmachineimport import VirtualMachineImport
from thresher.model.quantity import memory_of_quantity
from thresher.model.spec import ImportSpec, NetworkMapping

_UID_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, f"https://{API_VERSION}/virtualmachineimports")


def derived_uid(namespace: str, name: str) -> str:
    """The uid of an import that no API server has given one: the same each time for the same name."""
    return str(uuid.uuid5(_UID_SPACE, f"{namespace}/{name}"))


def import_spec(vmi: VirtualMachineImport) -> ImportSpec:
    """Turn an import as written into the import as carried out."""
    meta, spec = vmi.metadata, vmi.spec
    return ImportSpec(
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid or derived_uid(meta.namespace, meta.name),
        vm_name=spec.virtual_machine_name,
        folder=spec.folder,
        target_name=spec.target_name,
        networks=tuple(
            NetworkMapping(row.source_network, row.destination_network, row.network_interface_model)
            for row in spec.network_mapping
        ),
        nic_model=spec.default_network_interface_model,
        storage_class=spec.storage_class,
        storage_mapping=tuple((row.source_datastore, row.storage_class) for row in spec.storage_mapping),
        disk_bus=spec.default_disk_bus_type,
        force_power_off=bool(spec.force_power_off),
        graceful_shutdown_timeout_s=spec.graceful_shutdown_timeout_seconds,
        skip_preflight=bool(spec.skip_preflight_checks),
        vcpus=spec.cpu.vcpus if spec.cpu else None,
        memory=memory_of_quantity(spec.memory) if spec.memory else None,
        run_strategy=spec.run_strategy,
        verify=spec.verify,
        suspend=spec.suspend,
        disk_mode=spec.disk_mode,
    )
