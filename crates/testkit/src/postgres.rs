//! A PostgreSQL server of a test's own: started from Debian's package, gone with the test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long the server may take to be ready. Generous: machines are shared.
const PATIENCE: Duration = Duration::from_secs(60);
/// The database, and the role that owns it and may make more.
const NAME: &str = "tenantry";

/// A running PostgreSQL server with an empty database, stopped when dropped.
pub struct Postgres {
    process: Child,
    binaries: PathBuf,
    // Last, so that it goes when the server has.
    folder: TempDir,
}

impl Postgres {
    /// Starts a server; none, said loudly, where none is installed. It ends with the thread that calls
    /// this, at the latest: call it on one that stays.
    ///
    /// # Panics
    /// When it does not become ready.
    #[must_use]
    pub fn start() -> Option<Self> {
        let Some(binaries) = binaries() else {
            say_skipped();
            return None;
        };
        let folder = tempfile::Builder::new().prefix("tenantry-pg-").tempdir();
        let folder = folder.expect("a folder");
        let data = folder.path().join("data");
        if is_root() {
            // The server refuses to run as root.
            run(Command::new("chown").arg("postgres").arg(folder.path()));
        }
        run(as_postgres(&binaries.join("initdb"))
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8"])
            .args(["--locale=C", "--no-sync", "--pgdata"])
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
            .expect("PostgreSQL starts");
        let server = Self {
            process,
            binaries,
            folder,
        };
        let started = Instant::now();
        while !server.sql("SELECT 1") {
            assert!(started.elapsed() < PATIENCE, "PostgreSQL is not ready");
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(server.sql(&format!("CREATE ROLE {NAME} LOGIN CREATEDB")));
        assert!(server.sql(&format!("CREATE DATABASE {NAME} OWNER {NAME}")));
        Some(server)
    }

    /// The URL of the database, as its owner.
    #[must_use]
    pub fn url(&self) -> String {
        let folder = self.folder.path().display();
        format!("postgres://{NAME}@localhost/{NAME}?host={folder}")
    }

    fn sql(&self, statement: &str) -> bool {
        let status = as_postgres(&self.binaries.join("psql"))
            .arg("-h")
            .arg(self.folder.path())
            .args(["-U", "postgres", "-qc", statement])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    }
}

impl Drop for Postgres {
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

#[allow(clippy::print_stderr, reason = "what is skipped is said")]
fn say_skipped() {
    eprintln!("\n*** SKIPPED: no PostgreSQL server here (apt install postgresql) ***\n");
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
    let output = Command::new("id").arg("-u").output().expect("id runs");
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
        command.args(["--reuid", "postgres", "--regid", "postgres"]);
        command.arg("--init-groups");
    }
    command.arg("--").arg(program);
    command
}

fn run(command: &mut Command) {
    let output = command.output().expect("a command of the system");
    assert!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
