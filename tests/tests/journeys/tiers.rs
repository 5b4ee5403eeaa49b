//! An operator trains a vertical's model on what its tenants share, and a thin tenant is served by it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use api::v1;
use testkit::{Client, TestServer, content};

const ASK: &str = "How often are encryption keys rotated?";

async fn share(operator: &Client, tenant: &str) {
    let request = v1::UpdateTenantRequest {
        tenant: Some(v1::Tenant {
            name: format!("tenants/{tenant}"),
            settings: Some(v1::TenantSettings {
                share_for_training: true,
                ..Default::default()
            }),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["settings.share_for_training".into()],
        }),
    };
    operator.tenants().update_tenant(request).await.unwrap();
}

async fn train(operator: &Client, parent: &str) -> v1::Job {
    let request = v1::RetrainRequest {
        parent: parent.into(),
        ..Default::default()
    };
    let job = operator.training().retrain(request).await.unwrap();
    operator.watch(job.into_inner().job.unwrap().name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vertical_learns_from_those_who_share_and_serves_those_who_are_thin() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    for tenant in ["one", "two", "shy", "thin"] {
        operator.make_tenant(tenant).await;
    }
    // Nobody has shared anything yet: said, and not tried again and again.
    let job = train(&operator, "verticals/software").await;
    assert_eq!(job.state(), v1::job::State::Failed);
    assert!(job.error.contains("0 tenants"), "{}", job.error);
    assert!(job.name.starts_with("jobs/"), "{}", job.name);

    for tenant in ["one", "two", "shy"] {
        if tenant != "shy" {
            share(&operator, tenant).await;
        }
        operator.ingest_rows(tenant, "first", content(120)).await;
        operator.wait_indexed(tenant).await;
        let job = operator.retrain(tenant).await;
        assert_eq!(job.state(), v1::job::State::Succeeded, "{job:?}");
    }
    operator.ingest_rows("thin", "first", content(9)).await;
    operator.wait_indexed("thin").await;

    let job = train(&operator, "verticals/software").await;
    assert_eq!(job.state(), v1::job::State::Succeeded, "{job:?}");
    let name = job.outcome["model"].clone();
    assert_eq!(name, "verticals/software/models/experts/versions/1");
    let request = v1::GetModelRequest { name: name.clone() };
    let model = operator.training().get_model(request).await.unwrap();
    let model = model.into_inner().model.unwrap();
    assert_eq!(model.tier(), v1::Tier::Vertical);
    assert_eq!(
        model.lineage.unwrap().parameters["tenants"],
        "2",
        "shy does not share"
    );

    // Whatever its gate said, an operator may let it serve: then it does where there is no own model.
    let promote = v1::PromoteModelRequest {
        name: name.clone(),
        reason: "pilot".into(),
        ..Default::default()
    };
    operator.training().promote_model(promote).await.unwrap();
    let mut route = v1::Route::default();
    for _ in 0..600 {
        route = operator.recommend("thin", ASK).await.route.unwrap();
        if route.model == name {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        (route.model.as_str(), route.tier()),
        (name.as_str(), v1::Tier::Vertical)
    );

    // Its artifact holds no text of any tenant, and no name of an expert. A tenant's own snapshot does.
    let mut files = files_below(&folder.path().join("models"));
    files.retain(|file| !file.to_string_lossy().contains("/snapshots/"));
    assert!(
        files
            .iter()
            .any(|file| file.to_string_lossy().contains("verticals")),
        "{files:?}"
    );
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for word in ["sofia", "encryption", "invoice"] {
            assert!(!text.contains(word), "{word} is in {}", file.display());
        }
    }

    // A tenant's key sees nothing of the tiers, and cannot train them.
    let admin = operator
        .make_key("one", v1::api_key::Role::TenantAdmin)
        .await;
    let admin = server.client(Some(&admin)).await;
    let request = v1::GetModelRequest { name };
    let refused = admin.training().get_model(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => files_below(&path),
            false => vec![path],
        })
        .collect()
}
