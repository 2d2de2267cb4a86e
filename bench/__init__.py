"""The benchmarks: Yamanote beside its peers. `make bench` runs all, `make bench-quick` some.

peers/          what is compared, a module for each: its programs, as its users write them
  peer.py         what a peer is
workloads/      what is measured, a module for each table of the page
  workload.py     what a workload is
meter.py work.py  what is read off; what all programs have in common
web/            web applications, and wrk

__main__.py     the command: measure, write the figures, the page and the charts
install.py      the peers' installation, one by one
once.py         one workload on one peer, once, checked
worker.py       a process that does so for pyperf
rounds.py       who is measured when: each round goes through all peers
databases.py    the servers that some workloads need
figures.py      what was measured, and how it is compared
targets.py      what is to be reached
page.py charts.py  docs/benchmarks.md and the pictures in it
instructions.py how many instructions an operation takes: no time, for tests/test_cost.py
"""
