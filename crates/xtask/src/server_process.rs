//! The product as a child process: started on free ports with empty stores, stopped with this one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tempfile::TempDir;

use crate::setup::Assets;

/// Loading the embedding model takes a second or two; more than this is a fault.
const START_LIMIT: Duration = Duration::from_secs(60);
/// After this a graceful stop is no longer waited for.
const STOP_LIMIT: Duration = Duration::from_secs(15);
const LOG_LINES: usize = 20;

/// Asks the server to stop when its standard input closes, which the end of this process does
/// whatever ends it, and kills it when it does not. Signals of the terminal are left to the others.
const GUARD: &str = r#"trap '' INT TERM HUP
cat >/dev/null
kill -TERM "$1" 2>/dev/null
for second in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  sleep 1
  kill -0 "$1" 2>/dev/null || exit 0
done
kill -KILL "$1" 2>/dev/null"#;

/// A running server with a folder of its own, which is removed at the end.
#[derive(Debug)]
pub struct ServerProcess {
    /// Where gRPC is spoken, for example `http://127.0.0.1:40001`.
    pub endpoint: String,
    /// Where Prometheus reads.
    pub metrics: String,
    /// The first operator's key.
    pub operator_key: String,
    child: Child,
    guard: Guard,
    // Last, so that it goes when the server has.
    folder: TempDir,
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
    /// Starts the server with `settings`, variables of its environment, and waits until it is ready.
    ///
    /// # Errors
    /// When it dies first, with the end of its log, or is not ready in time.
    pub async fn start(
        executable: &Path,
        assets: &Assets,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tenantry-").tempdir()?;
        let log = File::create(folder.path().join("server.log"))?;
        let mut command = Command::new(executable);
        // The caller's own settings may name a real database: they are not for this server.
        let own = std::env::vars_os().map(|(name, _)| name);
        for name in own.filter(|name| name.to_string_lossy().starts_with("TENANTRY_")) {
            command.env_remove(name);
        }
        let child = command
            .arg("serve")
            .args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .arg("--address-file")
            .arg(folder.path().join("address.json"))
            .env("TENANTRY_MODEL_DIR", &assets.model_dir)
            .env("ORT_DYLIB_PATH", &assets.onnxruntime)
            .envs(settings.iter().copied())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", executable.display()))?;
        let guard = Guard::over(&child)?;
        // From here on, leaving early stops the server.
        let mut server = Self {
            endpoint: String::new(),
            metrics: String::new(),
            operator_key: String::new(),
            child,
            guard,
            folder,
        };
        server.wait_until_ready().await?;
        Ok(server)
    }

    /// The folder that holds everything of this server.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file with the first operator's key.
    #[must_use]
    pub fn operator_key_file(&self) -> PathBuf {
        self.folder().join("data").join("operator.key")
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

    /// Stops the server as an operator would, and waits for it.
    ///
    /// # Errors
    /// When it had to be killed, or ended with a failure.
    pub fn stop(mut self) -> Result<()> {
        let status = self.shut_down()?;
        if !status.success() {
            bail!(
                "the server ended with {status}; the end of its log:\n{}",
                self.log_tail()
            );
        }
        Ok(())
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let address_file = self.folder().join("address.json");
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
            if begin.elapsed() > START_LIMIT {
                bail!(
                    "the server was not ready after {} s; the end of its log:\n{}",
                    START_LIMIT.as_secs(),
                    self.log_tail()
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
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
        let log = fs::read(self.folder().join("server.log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LOG_LINES)..];
        if tail.is_empty() {
            "  (it is empty)".to_owned()
        } else {
            format!("  {}", tail.join("\n  "))
        }
    }

    fn shut_down(&mut self) -> Result<std::process::ExitStatus> {
        // Closing its input makes the guard send SIGTERM.
        self.guard.input.take();
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if begin.elapsed() > STOP_LIMIT {
                self.child.kill()?;
                break self.child.wait()?;
            }
            thread::sleep(Duration::from_millis(20));
        };
        // Before the process id can belong to somebody else.
        self.guard.process.kill()?;
        self.guard.process.wait()?;
        Ok(status)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // After `stop` this finds both gone; otherwise there is nobody left to tell of a failure.
        let _ = self.shut_down();
    }
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
            "#!/bin/sh\nmkdir data; echo key-1 > data/operator.key\necho starting; env >&2\n{rest}"
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

    fn assets() -> Assets {
        Assets {
            model_dir: "/model".into(),
            onnxruntime: "/runtime.so".into(),
        }
    }

    fn alive(process: u32) -> bool {
        let found = Command::new("sh")
            .args(["-c", &format!("kill -0 {process}")])
            .output();
        found.unwrap().status.success()
    }

    const READY: &str = r#"echo '{"grpc":"http://g:1","metrics":"http://m:2"}' > address.json
trap 'echo stopped > "$STOPPED"; exit 0' TERM
while :; do sleep 0.05; done"#;

    #[tokio::test]
    async fn starts_tells_where_and_stops_gracefully() {
        let folder = tempfile::tempdir().unwrap();
        let stopped = folder.path().join("stopped");
        let program = pretender(
            folder.path(),
            &READY.replace("$STOPPED", stopped.to_str().unwrap()),
        );
        let server = ServerProcess::start(&program, &assets(), &[])
            .await
            .unwrap();
        assert_eq!(
            (server.endpoint.as_str(), server.operator_key.as_str()),
            ("http://g:1", "key-1")
        );
        let (process, data) = (server.child.id(), server.folder().to_owned());
        server.stop().unwrap();
        assert_eq!(fs::read_to_string(stopped).unwrap(), "stopped\n");
        assert!(!alive(process) && !data.exists());
    }

    #[tokio::test]
    async fn dropping_it_stops_it_too() {
        let folder = tempfile::tempdir().unwrap();
        let program = pretender(folder.path(), &READY.replace("$STOPPED", "/dev/null"));
        let server = ServerProcess::start(&program, &assets(), &[])
            .await
            .unwrap();
        let process = server.child.id();
        drop(server);
        assert!(!alive(process));
    }

    #[tokio::test]
    async fn a_server_that_dies_is_explained_by_its_own_words() {
        let folder = tempfile::tempdir().unwrap();
        let program = pretender(folder.path(), "echo no model; exit 3");
        let error = ServerProcess::start(&program, &assets(), &[])
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("no model") && error.contains("exit status: 3"),
            "{error}"
        );
    }
}
