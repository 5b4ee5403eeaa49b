//! RouterService: recommends experts, explains, takes feedback.
