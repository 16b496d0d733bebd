"""How Sphinx builds these documents: `./scripts/docs`.

Owns Sphinx's settings. Must never need a network: the theme and its fonts are local. What is drawn from the code is
`drawn.py`'s.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import drawn

import alongside

project = "alongside"
author = "the alongside authors"
copyright = "the alongside authors. BSD 3-Clause"  # Sphinx's name for it
release = version = alongside.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
suppress_warnings = [
    "myst.xref_missing",  # links of files that are included here; tests/test_documents.py checks every link
    "myst.header",  # headings of included tables
]
exclude_patterns = ["generated"]  # parts, included by pages

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_type_aliases = {"RetryOn": "RetryOn"}
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "alongside"
html_show_sphinx = False
html_theme_options = {"sidebar_hide_name": False}
html_copy_source = False

drawn.write(Path(__file__).parent / "generated")
