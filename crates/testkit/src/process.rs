//! The server as a child process: started on free ports, stopped with this one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// How long a server may take to be ready, and what it does beside requests to be done. Loading the
/// embedding model takes a second or two; generous, as machines are shared.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// After this a graceful stop is no longer waited for.
const STOP_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
const LOG_LINES: usize = 40;
/// Names the server's program; the default is the one beside this program.
const PROGRAM_VARIABLE: &str = "TENANTRY_BIN";
/// The one setting of this process that its servers have too: where the embedding model is.
const MODEL_DIR_VARIABLE: &str = "TENANTRY_MODEL_DIR";

/// Asks the server to stop when its standard input closes, which the end of this process does
/// whatever ends it, and kills it when it does not. Signals of the terminal are left to the others.
const GUARD: &str = r#"trap '' INT TERM HUP
cat >/dev/null
kill -TERM "$1" 2>/dev/null
second=0
while [ "$second" -lt 60 ]; do
  sleep 1
  kill -0 "$1" 2>/dev/null || exit 0
  second=$((second + 1))
done
kill -KILL "$1" 2>/dev/null"#;

/// A running `tenantry serve`, killed when dropped.
#[derive(Debug)]
pub struct ServerProcess {
    /// Where gRPC is spoken, for example `http://127.0.0.1:40001`.
    pub endpoint: String,
    /// Where Prometheus reads.
    pub metrics: String,
    /// The operator's key that the first start on this folder made.
    pub operator_key: String,
    child: Child,
    guard: Guard,
    folder: PathBuf,
}

/// The server's program: the one that `TENANTRY_BIN` names, or the one beside this program.
///
/// # Errors
/// When this program does not know where it lies.
pub fn program() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(PROGRAM_VARIABLE) {
        return Ok(path.into());
    }
    let own = std::env::current_exe()?;
    let beside = own.parent().context("this program has no folder")?;
    // Tests lie one folder below the programs.
    let folder = match beside.file_name() {
        Some(name) if name == "deps" => beside.parent().unwrap_or(beside),
        _ => beside,
    };
    Ok(folder.join("tenantry"))
}

/// What the server writes when it is ready.
#[derive(Deserialize)]
struct Addresses {
    grpc: String,
    metrics: String,
}

#[derive(Debug)]
struct Guard {
    process: Child,
    input: Option<ChildStdin>,
}

impl ServerProcess {
    /// Starts `program` on the data in `folder` with `settings`, variables of its environment, and
    /// waits until it is ready. Its log is in `server.log` of that folder.
    ///
    /// # Errors
    /// When it dies first, with the end of its log, or is not ready in time.
    pub async fn start(program: &Path, folder: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        // What an earlier server on the same data wrote.
        let _ = fs::remove_file(address_file(folder));
        let log = File::create(folder.join("server.log"))?;
        let mut command = Command::new(program);
        for name in own_settings() {
            command.env_remove(name);
        }
        let child = command
            .arg("serve")
            .args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
            .arg("--data-dir")
            .arg(folder)
            .arg("--address-file")
            .arg(address_file(folder))
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| {
                format!(
                    "{} cannot run; `cargo xtask test` builds it",
                    program.display()
                )
            })?;
        let guard = Guard::over(&child)?;
        // From here on, leaving early stops the server.
        let mut server = Self {
            endpoint: String::new(),
            metrics: String::new(),
            operator_key: String::new(),
            child,
            guard,
            folder: folder.to_owned(),
        };
        server.wait_until_ready().await?;
        Ok(server)
    }

    /// The folder with its data.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The file with the first operator's key.
    #[must_use]
    pub fn operator_key_file(&self) -> PathBuf {
        self.folder.join("operator.key")
    }

    /// Tells why a call failed when the reason is that the server has died.
    pub fn explain(&mut self, error: anyhow::Error) -> anyhow::Error {
        match self.child.try_wait() {
            Ok(Some(status)) => error.context(format!(
                "the server stopped ({status}); the end of its log:\n{}",
                self.log_tail()
            )),
            _ => error,
        }
    }

    /// Stops the server as an orchestrator would, and waits for it.
    ///
    /// # Errors
    /// When it had to be killed, or ended with a failure.
    pub async fn stop(mut self) -> Result<()> {
        // Closing its input makes the guard send SIGTERM.
        self.guard.input.take();
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if begin.elapsed() > STOP_LIMIT {
                break self.end()?;
            }
            tokio::time::sleep(POLL).await;
        };
        if !status.success() {
            bail!(
                "the server ended with {status}; the end of its log:\n{}",
                self.log_tail()
            );
        }
        Ok(())
    }

    /// Ends the server at once, as `kill -9` does, and waits until it has ended.
    pub fn kill(mut self) {
        // It is killed again when it is dropped, which nothing comes of.
        let _ = self.end();
    }

    fn end(&mut self) -> Result<ExitStatus> {
        self.child.kill()?;
        Ok(self.child.wait()?)
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let address_file = address_file(&self.folder);
        let begin = Instant::now();
        let addresses: Addresses = loop {
            // Written whole or not at all: what can be read is complete.
            if let Ok(bytes) = fs::read(&address_file) {
                break serde_json::from_slice(&bytes).context("the address file is not JSON")?;
            }
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "the server stopped before it was ready ({status}); the end of its log:\n{}",
                    self.log_tail()
                );
            }
            if begin.elapsed() > PATIENCE {
                bail!(
                    "the server was not ready after {} s; the end of its log:\n{}",
                    PATIENCE.as_secs(),
                    self.log_tail()
                );
            }
            tokio::time::sleep(POLL).await;
        };
        let key_file = self.operator_key_file();
        let key = fs::read_to_string(&key_file)
            .with_context(|| format!("the server wrote no {}", key_file.display()))?;
        self.operator_key = key.trim().to_owned();
        self.endpoint = addresses.grpc;
        self.metrics = addresses.metrics;
        Ok(())
    }

    fn log_tail(&self) -> String {
        let log = fs::read(self.folder.join("server.log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LOG_LINES)..];
        if tail.is_empty() {
            "  (it is empty)".to_owned()
        } else {
            format!("  {}", tail.join("\n  "))
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // After `stop` this finds both ended; otherwise there is nobody left to tell of a failure.
        let _ = self.end();
        // Before the process id can belong to another process.
        let _ = self.guard.process.kill();
        let _ = self.guard.process.wait();
    }
}

fn address_file(folder: &Path) -> PathBuf {
    folder.join("addresses.json")
}

/// This process's own settings may name a real database: they are not for its servers.
fn own_settings() -> impl Iterator<Item = OsString> {
    let names = std::env::vars_os().map(|(name, _)| name);
    names.filter(|name| {
        name != MODEL_DIR_VARIABLE && name.to_string_lossy().starts_with("TENANTRY_")
    })
}

impl Guard {
    fn over(child: &Child) -> Result<Self> {
        let mut process = Command::new("sh")
            .args(["-c", GUARD, "guard", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start a shell")?;
        let input = process.stdin.take();
        Ok(Self { process, input })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that does what the server does at its start, and then `rest`.
    fn pretender(folder: &Path, rest: &str) -> PathBuf {
        let path = folder.join("pretender");
        let script = format!(
            "#!/bin/sh\ncd \"$7\" && echo key-1 > operator.key\necho starting; env >&2\n{rest}"
        );
        fs::write(folder.join("script"), script).unwrap();
        // Copied by another process: were it open for writing in this one, a test beside this one
        // could start a child that holds it open, and a file being written cannot be run.
        let copy = r#"cp "$1" "$2" && chmod +x "$2""#;
        let mut copied = Command::new("sh");
        copied
            .args(["-c", copy, "copy"])
            .arg(folder.join("script"))
            .arg(&path);
        assert!(copied.status().unwrap().success());
        path
    }

    fn alive(process: u32) -> bool {
        let found = Command::new("sh")
            .args(["-c", &format!("kill -0 {process}")])
            .output();
        found.unwrap().status.success()
    }

    // As the real one: it can be stopped before anybody knows where it is, and the file appears whole.
    const READY: &str = r#"trap 'echo stopped > stopped; exit 0' TERM
echo '{"grpc":"http://g:1","metrics":"http://m:2"}' > addresses.partial
mv addresses.partial addresses.json
while :; do sleep 0.05; done"#;

    #[tokio::test]
    async fn starts_tells_where_and_stops_gracefully() {
        let folder = tempfile::tempdir().unwrap();
        let program = pretender(folder.path(), READY);
        let server = ServerProcess::start(&program, folder.path(), &[])
            .await
            .unwrap();
        assert_eq!(
            (server.endpoint.as_str(), server.operator_key.as_str()),
            ("http://g:1", "key-1")
        );
        let process = server.id();
        server.stop().await.unwrap();
        let stopped = fs::read_to_string(folder.path().join("stopped"));
        assert_eq!(stopped.unwrap(), "stopped\n");
        assert!(!alive(process));
    }

    #[tokio::test]
    async fn dropping_it_ends_it_too() {
        let folder = tempfile::tempdir().unwrap();
        let program = pretender(folder.path(), READY);
        let server = ServerProcess::start(&program, folder.path(), &[])
            .await
            .unwrap();
        let process = server.id();
        drop(server);
        assert!(!alive(process));
    }

    #[tokio::test]
    async fn a_server_that_dies_is_explained_by_its_own_words() {
        let folder = tempfile::tempdir().unwrap();
        let program = pretender(folder.path(), "echo no model; exit 3");
        let error = ServerProcess::start(&program, folder.path(), &[])
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("no model") && error.contains("exit status: 3"),
            "{error}"
        );
    }
}
