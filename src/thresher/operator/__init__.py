"""The edge to Kubernetes: watches, queues, and one short pass at a time. No disk byte comes through here."""
