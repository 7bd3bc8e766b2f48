"""What scripts/plot and scripts/report share: reading runs (runs), the look (style), one module for
each kind of plot (curves, pareto, bits, histograms, grids), and the page (page)."""
