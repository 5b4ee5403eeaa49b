//! A PostgreSQL server of a journey's own: started from Debian's package, gone with the test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the server may take to be ready. Generous: machines are shared.
const PATIENCE: Duration = Duration::from_secs(60);
/// The database, and the role that owns it.
const NAME: &str = "tenantry";

/// A running PostgreSQL server with an empty database, stopped when dropped.
pub struct Postgres {
    process: Child,
    binaries: PathBuf,
    folder: PathBuf,
}

impl Postgres {
    /// Starts a server in `folder`; none, said loudly, where none is installed.
    ///
    /// # Panics
    /// When it does not become ready.
    #[must_use]
    pub fn start(folder: &Path) -> Option<Self> {
        let Some(binaries) = binaries() else {
            say_skipped();
            return None;
        };
        let folder = folder.join("postgres");
        std::fs::create_dir_all(&folder).expect("a folder");
        if is_root() {
            // The server refuses to run as root, and must be able to reach its folder.
            for path in folder.ancestors().take(2) {
                run(Command::new("chmod").arg("a+x").arg(path));
            }
            run(Command::new("chown").arg("postgres").arg(&folder));
        }
        run(as_postgres(&binaries.join("initdb"))
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8"])
            .args(["--locale=C", "--no-sync", "--pgdata"])
            .arg(folder.join("data")));
        let process = with_us(&binaries.join("postgres"))
            .arg("-D")
            .arg(folder.join("data"))
            .arg("-k")
            .arg(&folder)
            .args(["-c", "listen_addresses=", "-c", "fsync=off"])
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
        assert!(server.sql(&format!("CREATE ROLE {NAME} LOGIN")));
        assert!(server.sql(&format!("CREATE DATABASE {NAME} OWNER {NAME}")));
        Some(server)
    }

    /// The URL of the database.
    #[must_use]
    pub fn url(&self) -> String {
        let folder = self.folder.display();
        format!("postgres://{NAME}@localhost/{NAME}?host={folder}")
    }

    fn sql(&self, statement: &str) -> bool {
        let status = as_postgres(&self.binaries.join("psql"))
            .arg("-h")
            .arg(&self.folder)
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
            .arg(self.folder.join("data"))
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
