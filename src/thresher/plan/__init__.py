"""Looks at a whole inventory before anything is touched: what will make it, what it takes, and in which order.

Purely computational: source VMs and options in, one :class:`~thresher.plan.values.Plan` out, which renderers print.
The rules are also those of an import's own preflight.
"""
