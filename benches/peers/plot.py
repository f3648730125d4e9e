"""One picture of all rows: what each peer costs beside ltvlog, which is the line at 1."""

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

# Mid tones, which stand out from white as from black.
TEXT, MORE, LESS = "#808890", "#3b8ed0", "#d9772b"


def save(path, lines, titles):
    """Writes the bars as an SVG that is the same for the same lines; its background is the page's."""
    plt.rcParams.update(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "ltvlog",
            "font.family": "sans-serif",
            "font.size": 9,
            "text.color": TEXT,
            "axes.labelcolor": TEXT,
            "axes.edgecolor": TEXT,
            "xtick.color": TEXT,
            "ytick.color": TEXT,
        }
    )
    bars, heads, at = [], [], 0
    for row in titles:
        these = [line for line in lines if line.row == row and not line.who.startswith("ltvlog") and line.ratio]
        if these:
            heads.append((at, len(these), f"{row} {titles[row]}"))
            bars += [(at + n + 1, line) for n, line in enumerate(these)]
            at += len(these) + 1.6
    figure, axes = plt.subplots(figsize=(8.5, 0.24 * at + 0.7), layout="constrained")
    for y, line in bars:
        axes.barh(y, line.ratio - 1, left=1, height=0.72, color=MORE if line.ratio >= 1 else LESS)
        axes.annotate(
            f"{line.ratio:.3g}",
            (line.ratio, y),
            (4 if line.ratio >= 1 else -4, 0),
            textcoords="offset points",
            va="center",
            ha="left" if line.ratio >= 1 else "right",
            fontsize=8,
        )
    for y, count, head in heads:
        axes.vlines(1, y + 0.5, y + count + 0.5, color=TEXT, linewidth=1.2)
        axes.annotate(head, (0, y), xycoords=("axes fraction", "data"), va="center", fontweight="bold")
    axes.set(
        xscale="log",
        yticks=[y for y, _ in bars],
        yticklabels=[line.who for _, line in bars],
        xlabel="cost beside ltvlog = 1: right of the line ltvlog is cheaper, left of it the peer is",
    )
    axes.xaxis.set_major_formatter("{x:g}")
    axes.margins(x=0.12)
    axes.set_ylim(at - 0.4, -0.8)
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, transparent=True, metadata={"Date": None})
