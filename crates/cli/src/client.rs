//! The connection to a server: where it is, which key is shown to it, how long it may take.

use std::path::{Path, PathBuf};
use std::time::Duration;

use api::v1::cost_service_client::CostServiceClient;
use api::v1::ingest_service_client::IngestServiceClient;
use api::v1::router_service_client::RouterServiceClient;
use api::v1::tenant_service_client::TenantServiceClient;
use api::v1::training_service_client::TrainingServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

use crate::error::{CliError, Exit};

/// Answers may be long lists; a message beyond this is refused.
const MAX_ANSWER_BYTES: usize = 32 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Where `tenantry serve` leaves the operator's key when it makes one, in its data folder.
const KEY_FILE_NAME: &str = "operator.key";
const DEFAULT_DATA_DIR: &str = "tenantry-data";

/// Which server, and as whom.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionArgs {
    /// The server's address
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "TENANTRY_ENDPOINT",
        default_value = "http://127.0.0.1:50051"
    )]
    pub endpoint: String,
    /// The key to show; better kept in a file, as other users of a machine can see command lines
    #[arg(
        long,
        global = true,
        value_name = "KEY",
        env = "TENANTRY_KEY",
        hide_env_values = true
    )]
    pub key: Option<String>,
    /// The file that holds the key [default: operator.key in TENANTRY_DATA_DIR or tenantry-data,
    /// where it exists]
    #[arg(long, global = true, value_name = "FILE", env = "TENANTRY_KEY_FILE")]
    pub key_file: Option<PathBuf>,
    /// Seconds that one call may take; ingest, export and watching take as long as they need
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 30)]
    pub timeout: u64,
}

/// A connection that shows its key with each call.
#[derive(Clone)]
pub struct Client {
    channel: Channel,
    auth: Auth,
    timeout: Duration,
    key_origin: String,
    endpoint: String,
}

type Service = InterceptedService<Channel, Auth>;

impl Client {
    /// Reads the key and connects.
    ///
    /// # Errors
    /// When the address or the key cannot be used, or when nobody answers.
    pub async fn connect(args: &ConnectionArgs) -> Result<Self, CliError> {
        let (auth, key_origin) = Auth::of(args)?;
        let endpoint = address(&args.endpoint)?;
        let timeout = Duration::from_secs(args.timeout.max(1));
        let channel = Endpoint::from_shared(endpoint.clone())
            .map_err(|_| CliError::usage(format!("{endpoint:?} is not an address")))?
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .tcp_keepalive(Some(Duration::from_secs(30)))
            .connect()
            .await
            .map_err(|error| unreachable(&endpoint, &error))?;
        Ok(Self {
            channel,
            auth,
            timeout,
            key_origin,
            endpoint,
        })
    }

    /// Tenants, keys and the audit log.
    #[must_use]
    pub fn tenants(&self) -> TenantServiceClient<Service> {
        let client = TenantServiceClient::with_interceptor(self.channel.clone(), self.auth.clone());
        client.max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    /// Experts, items, datasets and the index.
    #[must_use]
    pub fn ingest(&self) -> IngestServiceClient<Service> {
        let client = IngestServiceClient::with_interceptor(self.channel.clone(), self.auth.clone());
        client.max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    /// Jobs and models.
    #[must_use]
    pub fn training(&self) -> TrainingServiceClient<Service> {
        let client =
            TrainingServiceClient::with_interceptor(self.channel.clone(), self.auth.clone());
        client.max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    /// Answers.
    #[must_use]
    pub fn router(&self) -> RouterServiceClient<Service> {
        let client = RouterServiceClient::with_interceptor(self.channel.clone(), self.auth.clone());
        client.max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    /// Costs, usage and prices.
    #[must_use]
    pub fn costs(&self) -> CostServiceClient<Service> {
        let client = CostServiceClient::with_interceptor(self.channel.clone(), self.auth.clone());
        client.max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    /// A request that has to be answered in the time given by `--timeout`.
    pub fn timed<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        request
    }

    /// The answer itself, or the error as a person should see it.
    ///
    /// # Errors
    /// The status, explained.
    pub fn answer<T>(&self, answer: Result<Response<T>, Status>) -> Result<T, CliError> {
        answer
            .map(Response::into_inner)
            .map_err(|status| self.explain(status))
    }

    /// The status as an error that says which key and which server were used, where that helps.
    #[must_use]
    pub fn explain(&self, status: Status) -> CliError {
        let error = CliError::from(status);
        match error.exit {
            Exit::Denied => error.hint(format!(
                "{}; use another with --key-file FILE or TENANTRY_KEY",
                self.key_origin
            )),
            Exit::Unreachable => error.hint(format!("the server was {}", self.endpoint)),
            _ => error,
        }
    }
}

/// Shows the key with each call.
#[derive(Clone)]
pub struct Auth {
    header: Option<MetadataValue<Ascii>>,
}

impl Auth {
    /// The key, and in words where it came from.
    fn of(args: &ConnectionArgs) -> Result<(Self, String), CliError> {
        let (key, origin) = match (&args.key, &args.key_file) {
            (Some(key), _) => (
                key.clone(),
                "the key came from --key or TENANTRY_KEY".to_owned(),
            ),
            (None, Some(file)) => (read_key(file)?, origin(file)),
            (None, None) => {
                let folder = std::env::var_os("TENANTRY_DATA_DIR");
                let folder = folder.map_or_else(|| DEFAULT_DATA_DIR.into(), PathBuf::from);
                let file = folder.join(KEY_FILE_NAME);
                if !file.exists() {
                    let none = format!("no key was given, and there is no {}", file.display());
                    return Ok((Self { header: None }, none));
                }
                (read_key(&file)?, origin(&file))
            }
        };
        let mut header: MetadataValue<Ascii> = format!("Bearer {}", key.trim())
            .parse()
            .map_err(|_| CliError::usage(format!("the key has characters no key has; {origin}")))?;
        header.set_sensitive(true);
        Ok((
            Self {
                header: Some(header),
            },
            origin,
        ))
    }
}

impl Interceptor for Auth {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(header) = &self.header {
            request
                .metadata_mut()
                .insert("authorization", header.clone());
        }
        Ok(request)
    }
}

fn origin(file: &Path) -> String {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    format!("the key came from {}", file.display())
}

fn read_key(file: &Path) -> Result<String, CliError> {
    let key = std::fs::read_to_string(file).map_err(|error| {
        CliError::usage(format!(
            "the key file {} cannot be read: {error}",
            file.display()
        ))
    })?;
    match key.trim() {
        "" => Err(CliError::usage(format!(
            "the key file {} is empty",
            file.display()
        ))),
        key => Ok(key.to_owned()),
    }
}

/// The address with its scheme.
fn address(endpoint: &str) -> Result<String, CliError> {
    match endpoint.split_once("://") {
        None => Ok(format!("http://{endpoint}")),
        Some(("http", _)) => Ok(endpoint.to_owned()),
        Some((scheme, _)) => Err(CliError::usage(format!(
            "--endpoint starts with http://; {scheme}:// is not spoken. Where the server stands \
             behind TLS, connect through a local proxy or tunnel"
        ))),
    }
}

fn unreachable(endpoint: &str, error: &tonic::transport::Error) -> CliError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    CliError::new(
        Exit::Unreachable,
        format!("no server answers at {endpoint} ({cause})"),
    )
    .hint("start one with `tenantry serve`, or name another with --endpoint")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(key: Option<&str>, key_file: Option<&Path>) -> ConnectionArgs {
        ConnectionArgs {
            endpoint: "http://127.0.0.1:1".to_owned(),
            key: key.map(str::to_owned),
            key_file: key_file.map(Path::to_owned),
            timeout: 1,
        }
    }

    #[test]
    fn addresses_may_leave_the_scheme_out() {
        assert_eq!(address("localhost:1").unwrap(), "http://localhost:1");
        assert_eq!(address("https://x").unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn keys_are_trimmed_and_their_origin_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("operator.key");
        std::fs::write(&file, " tk_1 \n").unwrap();
        let (auth, origin) = Auth::of(&args(None, Some(&file))).unwrap();
        assert_eq!(auth.header.unwrap().to_str().unwrap(), "Bearer tk_1");
        assert!(origin.contains("operator.key"), "{origin}");
        assert!(Auth::of(&args(Some("a\nb"), None)).is_err());
        std::fs::write(&file, "\n").unwrap();
        assert!(
            Auth::of(&args(None, Some(&file)))
                .err()
                .unwrap()
                .to_string()
                .contains("empty")
        );
    }

    #[tokio::test]
    async fn nobody_there_is_said_in_a_sentence() {
        let error = Client::connect(&args(Some("k"), None)).await.err().unwrap();
        assert_eq!(error.exit, Exit::Unreachable);
        assert!(
            error
                .report()
                .contains("no server answers at http://127.0.0.1:1")
        );
    }
}
