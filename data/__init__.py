"""Published numbers and small extracts of recorded data: numbers and their licences, no code.

Open them through `pfc_da.analysis.comparison.reference` and `pfc_da.analysis.comparison.extracts`;
data/recorded/README.md says where each extract comes from, under which licence, and how it was cut.
"""
