"""The Kubernetes kinds that users write, as typed models, and how they become model values.

The models ignore fields they do not know, as the API server prunes them: an operator may be older than the
manifests it is handed. :func:`~thresher.api.manifests.load_manifests`, which reads what a person has just
written, refuses them instead and names the nearest field, as kubectl's strict validation does. Values
outside an enumeration are refused in both places.

Field names and meanings are those of Harvester's add-on (github.com/harvester/vm-import-controller,
``pkg/apis/migration.harvesterhci.io/v1beta1``); fields that are Thresher's own say so.
"""
