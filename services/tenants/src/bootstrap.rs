//! The first key: without one, nobody could make another.

use std::io::Write as _;
use std::path::Path;

use domain::{Clock, Role};
use server::ServiceError;
use storage::{NewKey, Purpose, Store};

use crate::keys::new_secret;

/// Makes an operator's key when there is none, and writes it to `file`, readable by its owner only.
/// Says whether it did.
///
/// # Errors
/// When the store fails or the file cannot be written; then no key was made.
pub async fn ensure_operator_key(
    store: &Store,
    file: &Path,
    clock: &Clock,
) -> Result<bool, ServiceError> {
    if store
        .maintenance(Purpose::StartUp)
        .count_operator_keys()
        .await?
        > 0
    {
        return Ok(false);
    }
    let secret = new_secret();
    write_private(file, &secret.reveal()).map_err(|error| {
        ServiceError::internal(format_args!(
            "{} cannot be written: {error}",
            file.display()
        ))
    })?;
    let key = NewKey {
        id: secret.id().clone(),
        role: Role::Operator,
        display_name: "made at first start".to_owned(),
        secret_hash: secret.hash(),
    };
    store
        .maintenance(Purpose::StartUp)
        .create_operator_key(key, "system:bootstrap", clock.now())
        .await?;
    Ok(true)
}

fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(file)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}
