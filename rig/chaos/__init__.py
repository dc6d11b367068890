"""Chaos: imports run on the real rig while everything around them is killed, cut, slowed down and filled up.

``python -m rig.chaos --seed 1 --faults 200`` starts etcd, kube-apiserver, a simulated Harvester, a simulated vCenter, a
web server with OVAs and the operator, keeps imports going, and does one fault after the other at random moments. Then
it leaves everything in peace, waits until every import has ended, and looks: is every disk byte-identical, did whatever
failed say why, is anything left behind?

The seed decides which faults come, when, how hard and whom they hit among those who are there. It repeats the plan, not
the machine: what an import is doing at the moment of a fault depends on how fast the machine is.
"""
