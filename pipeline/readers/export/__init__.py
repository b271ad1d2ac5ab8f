"""Published results as files that other tools read: Markdown, JSON lines, chunks, CSV, HTML, Docling, ALTO, hOCR."""
