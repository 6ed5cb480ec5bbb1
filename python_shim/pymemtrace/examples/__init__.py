# SPDX-License-Identifier: MIT
"""Small programs that show the package at work."""
