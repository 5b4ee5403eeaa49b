//! A switch that is interrupted: by a kill, by the tenant's erasure, by files that are gone; and files
//! that are others.

use std::time::Duration;

use api::v1;
use testkit::{TestServer, default_model_files, program};
use tonic::Code;
use vectors::{Space, VectorsConfig};

use super::{ASK, DEFAULT, OTHER, QUICK, arrived, filled, same, similar, until_same};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_in_the_middle_finishes_the_switch() {
    if !testkit::has_second_model() {
        return;
    }
    const ITEMS: u64 = 1_500;
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(folder.path(), QUICK).await;
    let operator = server.operator().await;
    filled(&operator, "new", OTHER, ITEMS).await;
    filled(&operator, "acme", DEFAULT, ITEMS).await;
    let (old, new) = (
        similar(&operator, "acme").await,
        similar(&operator, "new").await,
    );
    let job = operator.set_model("acme", OTHER).await.unwrap().job;
    let space = operator
        .wait_space("acme", |space| {
            space.progress > 0.0 || space.active == OTHER
        })
        .await;
    assert_eq!(space.active, DEFAULT, "killed before it is done");
    server.kill();

    // Until it is done, everything is as it was before.
    let server = TestServer::start_with(folder.path(), QUICK).await;
    let operator = server.operator().await;
    let answer = similar(&operator, "acme").await;
    assert!(same(&answer, &old) || same(&answer, &new));
    let job = operator.watch(job).await;
    assert_eq!(job.state(), v1::job::State::Succeeded, "{job:?}");
    assert_eq!(job.attempts, 2);
    let space = operator.wait_space("acme", arrived).await;
    assert_eq!(space.active, OTHER);
    let status = operator.wait_indexed("acme").await;
    assert_eq!(
        (status.space.as_str(), status.indexed_items),
        (OTHER, ITEMS)
    );
    let after = until_same(&operator, "acme", &new).await;
    assert!(same(&after, &new), "{after:?}, {new:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_erased_in_the_middle_of_a_switch_leaves_no_vector() {
    if !testkit::has_second_model() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(folder.path(), QUICK).await;
    let operator = server.operator().await;
    filled(&operator, "stays", OTHER, 30).await;
    filled(&operator, "acme", DEFAULT, 1_500).await;
    operator.set_model("acme", OTHER).await.unwrap();
    operator
        .wait_space("acme", |space| {
            space.progress > 0.0 || space.active == OTHER
        })
        .await;
    let request = v1::DeleteTenantRequest {
        name: "tenants/acme".into(),
    };
    let job = operator.tenants().delete_tenant(request).await.unwrap();
    let job = operator.watch(job.into_inner().job.unwrap().name).await;
    assert_eq!(job.state(), v1::job::State::Succeeded, "{job:?}");
    assert!(
        job.outcome.contains_key("tenant_spaces"),
        "{:?}",
        job.outcome
    );
    assert!(server.terminate().await);

    let config = VectorsConfig {
        path: folder.path().join("vectors"),
        ..Default::default()
    };
    let store = vectors::open(&config).await.unwrap();
    for (name, tenant, points) in [
        (DEFAULT, "acme", 0),
        (OTHER, "acme", 0),
        (OTHER, "stays", 30),
    ] {
        let space = Space {
            name: name.to_owned(),
            dimensions: 384,
        };
        let tenant = domain::TenantId::parse(tenant).unwrap();
        let count = store.count(&space, &tenant).await.unwrap();
        assert_eq!(count, points, "{tenant} in {name}");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_model_a_tenant_is_told_what_to_do_and_others_are_served() {
    if !testkit::has_second_model() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    filled(&operator, "acme", OTHER, 9).await;
    filled(&operator, "globex", DEFAULT, 9).await;
    assert!(server.terminate().await);

    let nowhere = folder.path().join("nowhere");
    let variable = format!("TENANTRY_EMBEDDING__MODEL_DIRS__{}", OTHER.to_uppercase());
    let missing = [(variable.as_str(), nowhere.to_str().unwrap())];
    let server = TestServer::start_with(folder.path(), &missing).await;
    let operator = server.operator().await;
    let request = v1::RecommendExpertsRequest {
        parent: "tenants/acme".into(),
        text: ASK.into(),
        top_k: 3,
        ..Default::default()
    };
    let refused = operator.router().recommend_experts(request).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let message = refused.message();
    assert!(
        message.contains(&format!("setup --model {OTHER}")),
        "{message}"
    );
    assert!(
        !message.contains("nowhere"),
        "no path of the server: {message}"
    );
    let job = operator.retrain("acme").await;
    assert_eq!(job.state(), v1::job::State::Failed);
    assert!(job.error.contains(OTHER), "{}", job.error);
    assert!(
        !operator
            .recommend("globex", ASK)
            .await
            .recommendations
            .is_empty()
    );

    // It cannot be chosen either; the way back to the default is open, and heals the tenant.
    let refused = operator.set_model("globex", OTHER).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let (_, there) = refused.message().split_once("it has: ").unwrap();
    assert!(there.contains(DEFAULT) && !there.contains(OTHER), "{there}");
    operator.set_model("acme", DEFAULT).await.unwrap();
    let space = operator
        .wait_space("acme", |space| space.preparing.is_empty())
        .await;
    assert_eq!(space.active, DEFAULT);
    assert!(
        !operator
            .recommend("acme", ASK)
            .await
            .recommendations
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_made_by_other_files_are_not_added_to() {
    let folder = tempfile::tempdir().unwrap();
    // Another tokenizer setting is another way to make vectors, though here it changes nothing.
    let other = tempfile::tempdir().unwrap();
    for file in default_model_files() {
        let copy = other.path().join(file.file_name().unwrap());
        std::fs::copy(&file, &copy).unwrap();
        if copy.ends_with("tokenizer_config.json") {
            let text = std::fs::read_to_string(&copy).unwrap();
            std::fs::write(&copy, text + "\n").unwrap();
        }
    }
    let elsewhere = [("TENANTRY_MODEL_DIR", other.path().to_str().unwrap())];
    // Nobody has vectors yet: any files will do.
    let server = TestServer::start(folder.path()).await;
    assert!(server.terminate().await);
    let server = TestServer::start_with(folder.path(), &elsewhere).await;
    assert!(server.terminate().await);
    let server = TestServer::start(folder.path()).await;
    server.operator().await.make_tenant("acme").await;
    assert!(server.terminate().await);

    let mut command = tokio::process::Command::new(program());
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(["--metrics-listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path())
        .envs(elsewhere)
        .kill_on_drop(true);
    let ended = tokio::time::timeout(Duration::from_secs(120), command.output()).await;
    let output = ended.expect("it ends by itself").unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains(DEFAULT) && said.contains("put the former files back"),
        "{said}"
    );
    // With the former files all is as it was.
    let server = TestServer::start(folder.path()).await;
    server.operator().await.tenant("acme").await;
}
