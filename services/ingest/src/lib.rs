//! IngestService: experts, items, quarantine, datasets, and the indexer.
