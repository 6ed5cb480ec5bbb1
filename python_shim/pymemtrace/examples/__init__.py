# SPDX-License-Identifier: MIT
"""Small programs that show the tools at work."""
