"""The node's own page: what it does, for whom, and what it takes, in a browser.

It only shows. `site` answers requests, `access` says whose, by the `token`; `figures` makes of the
overview (docs/status.md) the texts and shapes that stand on the page, `document` puts them into
page.html, and `feed` sends those that change.
"""
