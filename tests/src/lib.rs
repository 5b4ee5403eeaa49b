//! Journeys over real gRPC, isolation, crash and contract tests.
