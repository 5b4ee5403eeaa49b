//! Tenantry: all services in one process, and the program with the command line of a client.
//!
//! This page is the way into the documentation of the code. From the top to the bottom; a crate imports
//! from the layers below its own, and `docs/ARCHITECTURE.md` says the rest:
//!
//! | layer | crates |
//! |---|---|
//! | program | [tenantry](../tenantry/index.html) (this one), [cli](../tenantry_cli/index.html) |
//! | services | [tenants](../tenantry_tenants/index.html), [ingest](../tenantry_ingest/index.html), [trainer](../tenantry_trainer/index.html), [router](../tenantry_router/index.html), [costs](../tenantry_costs/index.html) |
//! | use cases | [serving](../tenantry_serving/index.html), [registry](../tenantry_registry/index.html), [encoding](../tenantry_encoding/index.html), [distillation](../tenantry_distillation/index.html) |
//! | adapters | [storage](../tenantry_storage/index.html), [vectors](../tenantry_vectors/index.html), [embedding](../tenantry_embedding/index.html), [artifacts](../tenantry_artifacts/index.html), [metering](../tenantry_metering/index.html), [tables](../tenantry_tables/index.html) |
//! | shared by services | [server](../tenantry_server/index.html), [api](../tenantry_api/index.html) |
//! | learning | [learning](../tenantry_learning/index.html) |
//! | domain | [domain](../tenantry_domain/index.html) |
//!
//! To begin: [`serve::run`] puts everything together; a request passes a handler of a service, which calls
//! one function of a use case. The words are in `docs/glossary.md`.

pub mod distill;
mod parts;
pub mod program;
pub mod serve;
pub mod serve_args;
