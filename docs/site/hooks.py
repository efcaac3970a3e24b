"""What is put into the site besides docs/*.md: the README, CONTRIBUTING.md and the API's reference.

Links in them are those of the repository; the site has no repository beside it, so a link to
anything but a page becomes the text that it is.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_ROOT = Path(__file__).resolve().parent.parent.parent
_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
_ELSEWHERE = re.compile(r"[a-z]+:|#")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made of something else."""
    # `mkdocs` alone, unlike `python -m mkdocs`, does not look for modules here.
    sys.path.insert(0, str(_ROOT))
    from docs.site.reference import reference

    pages = {
        "index.md": (_ROOT / "README.md").read_text(encoding="utf-8"),
        "contributing.md": (_ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"),
        "api-reference.md": reference(),
    }
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links of the repository into links of the site, or into their text."""
    folder = _ROOT if page.file.generated_by else Path(config.docs_dir)

    def site_link(found: re.Match[str]) -> str:
        text, target = found.groups()
        path, hash_sign, anchor = target.partition("#")
        if _ELSEWHERE.match(target):
            return found.group(0)
        place = (folder / path).resolve()
        special = {_ROOT / "README.md": "index.md", _ROOT / "CONTRIBUTING.md": "contributing.md"}
        name = special.get(place)
        if name is None and place.parent == Path(config.docs_dir):
            name = place.name
        if name is not None and files.get_file_from_path(name) is not None:
            return f"[{text}]({name}{hash_sign}{anchor})"
        return text if place.exists() else found.group(0)

    return _LINK.sub(site_link, markdown)
