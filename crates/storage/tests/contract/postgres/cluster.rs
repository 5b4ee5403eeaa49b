//! A PostgreSQL server of the test's own: started from Debian's package, gone with the process.
//!
//! `TENANTRY_TEST_POSTGRES_URL` names a server to use instead; its role must not be a superuser and
//! must be allowed to create databases. Where there is neither, the tests say so and skip.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;

const URL: &str = "TENANTRY_TEST_POSTGRES_URL";

pub struct Cluster {
    /// A database from which others are created, as the role that will own them.
    admin_url: String,
    databases: AtomicU32,
    _server: Option<Server>,
}

struct Server {
    process: Child,
    binaries: PathBuf,
    folder: TempDir,
}

impl Cluster {
    pub async fn start() -> Option<Self> {
        if let Ok(admin_url) = std::env::var(URL) {
            return Some(Self {
                admin_url,
                databases: AtomicU32::new(0),
                _server: None,
            });
        }
        let Some(binaries) = binaries() else {
            eprintln!(
                "\n*** SKIPPED: no PostgreSQL server here (apt install postgresql, or {URL}) ***\n"
            );
            return None;
        };
        let server = Server::start(binaries);
        let url = |role: &str, database: &str| {
            let folder = server.folder.path().display();
            format!("postgres://{role}@localhost/{database}?host={folder}")
        };
        let root = url("postgres", "postgres");
        let mut tries = 0;
        let db = loop {
            match Database::connect(root.as_str()).await {
                Ok(db) => break db,
                Err(error) => assert!(tries < 100, "PostgreSQL does not start: {error}"),
            }
            tries += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        db.execute_unprepared("CREATE ROLE tenantry LOGIN CREATEDB")
            .await
            .unwrap();
        db.close().await.unwrap();
        let admin_url = url("tenantry", "postgres");
        Some(Self {
            admin_url,
            databases: AtomicU32::new(0),
            _server: Some(server),
        })
    }

    /// The URL of a new, empty database.
    pub async fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("tenantry_test_{}_{number}", std::process::id());
        let db = Database::connect(self.admin_url.as_str()).await.unwrap();
        db.execute_unprepared(&format!("DROP DATABASE IF EXISTS {name}"))
            .await
            .unwrap();
        db.execute_unprepared(&format!("CREATE DATABASE {name}"))
            .await
            .unwrap();
        db.close().await.unwrap();
        let (server, query) = self
            .admin_url
            .split_once('?')
            .unwrap_or((&self.admin_url, ""));
        let (server, _) = server.rsplit_once('/').unwrap();
        format!("{server}/{name}?{query}")
    }
}

impl Server {
    fn start(binaries: PathBuf) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("tenantry-pg-")
            .tempdir()
            .unwrap();
        let data = folder.path().join("data");
        if is_root() {
            // The server refuses to run as root.
            run(Command::new("chown").arg("postgres").arg(folder.path()));
        }
        let initdb = binaries.join("initdb");
        run(as_postgres(&initdb)
            .args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C",
            ])
            .args(["--no-sync", "--pgdata"])
            .arg(&data));
        let process = with_us(&binaries.join("postgres"))
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args(["-c", "listen_addresses=", "-c", "max_connections=200"])
            // Nothing here has to survive the machine.
            .args(["-c", "fsync=off", "-c", "logging_collector=off"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            process,
            binaries,
            folder,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stopped = as_postgres(&self.binaries.join("pg_ctl"))
            .args(["stop", "--mode=immediate", "--pgdata"])
            .arg(self.folder.path().join("data"))
            .stdout(Stdio::null())
            .status();
        if !stopped.is_ok_and(|status| status.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// The newest installed server.
fn binaries() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            Some((version, path.join("bin")))
        })
        .filter(|(_, bin)| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().map(|(_, bin)| bin)
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout.trim_ascii() == b"0"
}

fn as_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command
        .args(["-u", "postgres", "--"])
        .arg(program)
        .current_dir("/");
    command
}

/// A command that the kernel stops when this process ends, however it ends.
fn with_us(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "INT"]).current_dir("/");
    if is_root() {
        command.args([
            "--reuid",
            "postgres",
            "--regid",
            "postgres",
            "--init-groups",
        ]);
    }
    command.arg("--").arg(program);
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
