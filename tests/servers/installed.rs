//! Starts servers of `target/python`, each on a port of its own, and ends them.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A program that `tests/run` installs.
pub(crate) fn program(name: &str) -> PathBuf {
    installed("python", name)
}

/// The tap that Meltano's tests run. It has an environment of its own, since what it needs is older
/// than what the others need.
pub(crate) fn tap() -> PathBuf {
    installed("tap", "tap-rest-api")
}

/// The folder where npm has installed packages of Node.
pub(crate) fn node_folder() -> PathBuf {
    let folder = target("node");
    let packages = folder.join("node_modules");
    assert!(packages.exists(), "{} is not there: `tests/run` installs it", packages.display());
    folder
}

fn target(folder: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join(folder)
}

fn installed(folder: &str, name: &str) -> PathBuf {
    let path = target(folder).join("bin").join(name);
    assert!(path.exists(), "{} is not there: `tests/run` installs it", path.display());
    path
}

/// A server of one test.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    /// Starts a server with the command that `command` makes for a port, and waits until it
    /// answers.
    pub(crate) fn start(command: impl Fn(u16) -> Command) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = command(port);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut server = Self { child: child.spawn().unwrap(), port };
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                server.child.try_wait().unwrap().is_none(),
                "the server has ended: {command:?}"
            );
            assert!(Instant::now() < until, "the server does not answer: {command:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends a request with a JSON body; gives status and JSON.
#[expect(clippy::disallowed_methods, reason = "a server on loopback answers")]
pub(crate) fn ask(
    method: &str,
    url: &str,
    credential: Option<&str>,
    body: Option<&Value>,
) -> (u16, Value) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client.request(method.parse().unwrap(), url);
        if let Some(credential) = credential {
            request = request.header("authorization", credential);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    })
}
