"""The Kubernetes kinds that users write, as typed models, and how they become model values."""
