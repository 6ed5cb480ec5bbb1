# SPDX-License-Identifier: MIT
"""Readers of text logs, and gnuplot for command line tools."""
