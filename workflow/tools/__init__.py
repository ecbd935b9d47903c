"""Commands about a study as a whole: what a change runs again, what it costs, what can be taken over from elsewhere.

They ask Snakemake itself, and so stand apart from the library, which knows nothing of Snakemake.
"""
