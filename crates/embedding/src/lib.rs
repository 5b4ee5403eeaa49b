//! Text to vector: fastembed on its own threads, micro-batched.
