"""The controller of VirtualMachineImports: observe, decide, one action, and the status at the end of it."""
