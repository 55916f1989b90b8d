"""Reads HTML pages, strictly: what is opened is closed in order."""

import html.parser

_VOID = {"meta", "img", "br", "link", "input", "hr"}


class Element:
    """An element of a page: its name, attributes, children and text."""

    def __init__(self, name, attributes):
        self.name, self.attributes = name, attributes
        self.children, self.pieces = [], []

    def all(self, *names):
        """All elements of these names that are below it."""
        for child in self.children:
            if child.name in names:
                yield child
            yield from child.all(*names)

    def by_id(self, name):
        """The element of this id, or None."""
        return next((e for e in self.every if e.attributes.get("id") == name), None)

    @property
    def every(self):
        """All elements below it, in the order of the page."""
        for child in self.children:
            yield child
            yield from child.every

    @property
    def text(self):
        """Its text, and that of all below it."""
        return "".join(p if isinstance(p, str) else p.text for p in self.pieces)


class _Reader(html.parser.HTMLParser):
    """Reads a page, whose tags have to be closed as they were opened."""

    def __init__(self):
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag, attrs):
        element = Element(tag, dict(attrs))
        assert len(element.attributes) == len(attrs)
        self.open[-1].children.append(element)
        self.open[-1].pieces.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open.pop().name == tag

    def handle_data(self, data):
        self.open[-1].pieces.append(data)


def read(page):
    """Reads a page; gives what has all elements.

    It must be UTF-8.
    """
    reader = _Reader()
    reader.feed(page.encode().decode())
    reader.close()
    (root,) = reader.open
    return root
