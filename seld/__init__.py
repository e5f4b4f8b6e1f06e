"""Multi-source sound localization and tracking, trained end to end through an assignment layer."""

__version__ = "0.1.0"
