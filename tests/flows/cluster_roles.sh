#!/usr/bin/env bash
# The whole of cluster.sh with each role in a process of its own.
exec "$(dirname "$0")/cluster.sh" roles
