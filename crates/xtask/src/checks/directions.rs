//! Who may import whom: services above use cases above adapters above domain, and each engine behind one adapter.

use crate::workspace::{Dependency, Package};

/// What a package of ours is, from the top to the bottom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    /// Tests and tools from outside: the product never imports them.
    Outside,
    /// What tests share: others import it for their own tests alone.
    TestKit,
    /// All services in one process.
    Whole,
    /// A program that calls the services.
    Client,
    /// One service.
    Service,
    /// Logic that needs several adapters and serves several services.
    UseCase,
    /// One engine, or what services share.
    Adapter,
    /// Pure.
    Domain,
}

/// Every package of the workspace. A new one needs a line here, and so a decision about its layer.
const PACKAGES: [(&str, Layer); 28] = [
    ("tenantry-tests", Layer::Outside),
    ("tenantry-benchmarks", Layer::Outside),
    ("tenantry-xtask", Layer::Outside),
    ("tenantry-testkit", Layer::TestKit),
    ("tenantry", Layer::Whole),
    ("tenantry-cli", Layer::Client),
    ("tenantry-tenants", Layer::Service),
    ("tenantry-ingest", Layer::Service),
    ("tenantry-trainer", Layer::Service),
    ("tenantry-router", Layer::Service),
    ("tenantry-costs", Layer::Service),
    ("tenantry-distillation", Layer::UseCase),
    ("tenantry-encoding", Layer::UseCase),
    ("tenantry-registry", Layer::UseCase),
    ("tenantry-serving", Layer::UseCase),
    ("tenantry-api", Layer::Adapter),
    ("tenantry-server", Layer::Adapter),
    ("tenantry-storage", Layer::Adapter),
    ("tenantry-migrations", Layer::Adapter),
    ("tenantry-vectors", Layer::Adapter),
    ("tenantry-embedding", Layer::Adapter),
    ("tenantry-learning", Layer::Adapter),
    ("tenantry-artifacts", Layer::Adapter),
    ("tenantry-metering", Layer::Adapter),
    ("tenantry-jobs", Layer::Adapter),
    ("tenantry-tables", Layer::Adapter),
    ("tenantry-domain", Layer::Domain),
    ("tenantry-model-files", Layer::Domain),
];

/// Packages that import these of ours alone: the client speaks the contract, what tests share is
/// light, and the xtask is there in seconds on a fresh machine.
const ALONE: [(&str, &[&str]); 3] = [
    ("tenantry-cli", &["tenantry-api", "tenantry-tables"]),
    (
        "tenantry-testkit",
        &["tenantry-api", "tenantry-model-files"],
    ),
    ("tenantry-xtask", &["tenantry-model-files"]),
];

/// Packages that may import another one of their layer: the store its schema, the shared server code
/// the contract and the usage recorder, whose ledger the store; jobs the store that they wait in and
/// the recorder of what they consume; serving what encodes its questions and
/// loads its models.
const WITHIN_LAYER: [(&str, &str); 8] = [
    ("tenantry-storage", "tenantry-migrations"),
    ("tenantry-server", "tenantry-api"),
    ("tenantry-server", "tenantry-metering"),
    ("tenantry-metering", "tenantry-storage"),
    ("tenantry-jobs", "tenantry-storage"),
    ("tenantry-jobs", "tenantry-metering"),
    ("tenantry-serving", "tenantry-encoding"),
    ("tenantry-serving", "tenantry-registry"),
];

/// Engines by the beginning of their name, and the only packages that may name them.
const ENGINES: [(&str, &[&str]); 10] = [
    ("sea-orm", &["tenantry-storage", "tenantry-migrations"]),
    ("sqlx", &["tenantry-storage"]),
    ("qdrant-", &["tenantry-vectors"]),
    ("rusqlite", &["tenantry-vectors"]),
    ("linfa-linalg", &["tenantry-distillation"]),
    ("linfa", &["tenantry-learning"]),
    ("fastembed", &["tenantry-embedding"]),
    ("ort", &["tenantry-embedding"]),
    ("object_store", &["tenantry-artifacts"]),
    ("calamine", &["tenantry-tables"]),
];

/// A line for each import that goes the wrong way.
pub fn violations(members: &[Package]) -> Vec<String> {
    let mut violations = Vec::new();
    for package in members {
        let Some(layer) = layer(&package.name) else {
            violations.push(format!(
                "{} has no layer assigned: give it one in checks/directions.rs",
                package.name
            ));
            continue;
        };
        let found = package
            .dependencies
            .iter()
            .filter_map(|named| judge(package, layer, named));
        violations.extend(found);
    }
    violations
}

fn judge(package: &Package, layer: Layer, named: &Dependency) -> Option<String> {
    let Package { name, .. } = package;
    let target = &named.name;
    if let Some((_, allowed)) = ENGINES.iter().find(|(engine, _)| is_engine(target, engine)) {
        let allowed_names = allowed.join(", ");
        return (!allowed.contains(&name.as_str()))
            .then(|| format!("{name} imports {target}, which only {allowed_names} may name"));
    }
    let below = self::layer(target)?;
    if let Some((_, allowed)) = ALONE.iter().find(|(alone, _)| alone == name) {
        let allowed_names = allowed.join(", ");
        return (!allowed.contains(&target.as_str())).then(|| {
            format!(
                "{name} imports {target}, and of our packages it may import {allowed_names} alone"
            )
        });
    }
    let for_tests = named.kind.as_deref() == Some("dev");
    if below == Layer::TestKit && for_tests {
        return None;
    }
    (!may_import(layer, below) && !WITHIN_LAYER.contains(&(name.as_str(), target.as_str())))
        .then(|| format!("{name} ({layer:?}) imports {target} ({below:?}): the wrong direction"))
}

fn may_import(from: Layer, to: Layer) -> bool {
    match from {
        Layer::Outside => to != Layer::Outside,
        Layer::Whole => !matches!(to, Layer::Outside | Layer::TestKit | Layer::Whole),
        Layer::Service => matches!(to, Layer::UseCase | Layer::Adapter | Layer::Domain),
        Layer::UseCase => matches!(to, Layer::Adapter | Layer::Domain),
        Layer::Adapter => to == Layer::Domain,
        // The first two are listed in ALONE.
        Layer::TestKit | Layer::Client | Layer::Domain => false,
    }
}

/// `sea-orm` covers `sea-orm-migration`, `qdrant-` covers the family; `ort` is not `orthography`.
fn is_engine(package: &str, engine: &str) -> bool {
    let rest = package.strip_prefix(engine);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-') || engine.ends_with('-'))
}

fn layer(package: &str) -> Option<Layer> {
    PACKAGES
        .iter()
        .find(|(name, _)| *name == package)
        .map(|(_, layer)| *layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[&str]) -> Package {
        let dependency = |name: &&str| Dependency {
            name: (*name).to_owned(),
            rename: None,
            kind: None,
        };
        Package {
            id: name.to_owned(),
            name: name.to_owned(),
            license: None,
            manifest_path: "Cargo.toml".into(),
            dependencies: dependencies.iter().map(dependency).collect(),
        }
    }

    fn judged(name: &str, dependencies: &[&str]) -> Vec<String> {
        violations(&[package(name, dependencies)])
    }

    #[test]
    fn the_right_directions_pass() {
        for (name, dependencies) in [
            (
                "tenantry",
                &["tenantry-router", "tenantry-storage", "tenantry-domain"][..],
            ),
            (
                "tenantry-router",
                &["tenantry-vectors", "tenantry-api", "tonic"],
            ),
            ("tenantry-trainer", &["tenantry-registry"]),
            (
                "tenantry-registry",
                &["tenantry-storage", "tenantry-artifacts", "tenantry-domain"],
            ),
            (
                "tenantry-serving",
                &["tenantry-encoding", "tenantry-registry", "tenantry-vectors"],
            ),
            (
                "tenantry-storage",
                &["tenantry-domain", "tenantry-migrations", "sea-orm"],
            ),
            ("tenantry-migrations", &["sea-orm-migration"]),
            ("tenantry-tests", &["tenantry-testkit", "tenantry-storage"]),
            ("tenantry", &["tenantry-cli"]),
            ("tenantry-cli", &["tenantry-api", "tenantry-tables", "clap"]),
            ("tenantry-domain", &["serde", "orthography"]),
        ] {
            assert!(
                judged(name, dependencies).is_empty(),
                "{:?}",
                judged(name, dependencies)
            );
        }
    }

    #[test]
    fn the_wrong_directions_do_not() {
        for (name, dependency) in [
            ("tenantry-router", "tenantry-ingest"),
            ("tenantry-router", "tenantry"),
            ("tenantry-vectors", "tenantry-embedding"),
            ("tenantry-storage", "tenantry-registry"),
            ("tenantry-registry", "tenantry-trainer"),
            ("tenantry-registry", "tenantry-serving"),
            ("tenantry-encoding", "tenantry-registry"),
            ("tenantry-encoding", "tenantry"),
            ("tenantry-migrations", "tenantry-storage"),
            ("tenantry-domain", "tenantry-api"),
            ("tenantry", "tenantry-xtask"),
            ("tenantry", "tenantry-testkit"),
            ("tenantry-cli", "tenantry-domain"),
            ("tenantry-router", "tenantry-cli"),
            ("tenantry-xtask", "tenantry-domain"),
            ("tenantry-tests", "tenantry-xtask"),
        ] {
            let found = judged(name, &[dependency]);
            assert_eq!(found.len(), 1, "{name} -> {dependency}: {found:?}");
            assert!(found[0].contains(name) && found[0].contains(dependency));
        }
    }

    #[test]
    fn engines_stay_behind_their_adapter() {
        for (name, engine) in [
            ("tenantry-ingest", "sea-orm"),
            ("tenantry-router", "qdrant-client"),
            ("tenantry-trainer", "linfa-logistic"),
            ("tenantry-tests", "ort"),
            ("tenantry-domain", "object_store"),
        ] {
            let found = judged(name, &[engine]);
            assert_eq!(found.len(), 1, "{name} -> {engine}: {found:?}");
        }
    }

    #[test]
    fn what_tests_share_is_for_tests_alone() {
        let mut storage = package("tenantry-storage", &["tenantry-testkit"]);
        assert_eq!(violations(std::slice::from_ref(&storage)).len(), 1);
        storage.dependencies[0].kind = Some("dev".to_owned());
        assert!(violations(&[storage]).is_empty());
    }

    #[test]
    fn a_package_without_a_layer_is_told() {
        assert_eq!(judged("tenantry-utils", &[]).len(), 1);
    }
}
