//! The real service, on a port and in a folder of its own.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

/// A service of one test.
pub struct Service {
    folder: tempfile::TempDir,
    process: Option<Child>,
    runtime: tokio::runtime::Runtime,
    pub url: String,
    log: Arc<Mutex<String>>,
    /// `LOGLEVEL` of the next start.
    pub loglevel: &'static str,
    is_ending: bool,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The body of an answer that must have this status.
    #[track_caller]
    pub fn is(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    /// Of a problem with this status: what is wrong.
    #[track_caller]
    pub fn problem(&self, status: u16) -> String {
        let body = self.is(status);
        let kind = self.headers["content-type"].to_str().unwrap();
        assert_eq!(kind, "application/problem+json", "{self:?}");
        assert_eq!(body["status"], status);
        body["detail"].as_str().unwrap().to_owned()
    }
}

/// A configuration with two tenants of one remote.
pub fn config(url: &str) -> Value {
    let connector = json!({"config": {"connector": "rest", "manifest": "sandbox", "base_url": url,
        "retry": {"base_millis": 1, "attempts": 3}}});
    let tenant = json!({"connectors": {"crm": {"access_token": {"env": "SANDBOX_TOKEN"}}}});
    json!({"environments": {"dev": {
        "flows": {"two": {"connectors": {"crm": connector}},
                  "one": {"version": 1, "connectors": {"crm": connector}}},
        "tenants": {"acme": tenant, "other": tenant}}}})
}

/// A configuration with a tenant, `acme`, of one connector that has these keys.
pub fn config_of(connector: &str, own: &Value) -> Value {
    json!({"environments": {"dev": {
        "flows": {"two": {"connectors": {connector: {"config": own}}}},
        "tenants": {"acme": {"connectors": {connector: {}}}}}}})
}

/// Writes a file. A configuration is YAML, of which JSON is a part.
pub fn keep(path: &Path, text: &str) {
    File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}

impl Service {
    /// One that is configured so.
    pub fn start(config: &Value) -> Self {
        Self::of(&config.to_string())
    }

    /// The same of the configuration's text.
    pub fn of(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        keep(&folder.path().join("serve.yaml"), config);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let log = Arc::default();
        let mut service = Self {
            folder,
            process: None,
            runtime,
            url: String::new(),
            log,
            loglevel: "",
            is_ending: false,
        };
        service.begin();
        service
    }

    /// Starts it again in the same folder.
    pub fn begin(&mut self) {
        let mut process = self.command().spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "{}", self.log());
            self.log.lock().unwrap().push_str(&line);
            let told: Value = serde_json::from_str(&line).unwrap_or_default();
            if let Some(address) = told["fields"]["address"].as_str() {
                break address.to_owned();
            }
        };
        let kept = Arc::clone(&self.log);
        std::thread::spawn(move || {
            let mut line = String::new();
            while log.read_line(&mut line).is_ok_and(|read| read > 0) {
                kept.lock().unwrap().push_str(&line);
                line.clear();
            }
        });
        self.url = format!("http://{address}");
        self.process = Some(process);
    }

    /// The command that starts it.
    pub fn command(&self) -> Command {
        let mut command = Command::new("/bin/sh");
        command
            // A limit of its files' sizes is told to it as an error then, as by a full disk.
            .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_target-upsert")])
            .args(["serve", "--log-format", "json", "--listen", "127.0.0.1:0"])
            .current_dir(self.folder.path())
            .env("SANDBOX_TOKEN", "sandbox-token")
            .env("HOOK_SECRET", "hook-secret")
            .env("LOGLEVEL", self.loglevel)
            .env("ADMIN_KEY", "admin-key")
            .env("ACME_KEY", "acme-key")
            .env("OTHER_KEY", "other-key")
            .env("ENCRYPTION_KEY", "an-encryption-key-of-32-characters")
            .env("OTHER_ENCRYPTION_KEY", "another-encryption-key-of-38-characters")
            .env("TAP_TOKEN", "tap-token")
            .env("TAP_SECRET", "tap-secret")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// A file of its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// All that it has written and logged.
    pub fn everything(&self) -> String {
        let mut all = self.log();
        let mut folders = vec![self.path(".target-upsert")];
        while let Some(folder) = folders.pop() {
            for file in std::fs::read_dir(folder).unwrap() {
                let path = file.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    all.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
                }
            }
        }
        all
    }

    /// What it has logged until now.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// From now on it can write to no file.
    #[cfg(target_os = "linux")]
    pub fn fill_disk(&self) {
        self.limit_files(Some(0));
    }

    /// It can again.
    #[cfg(target_os = "linux")]
    pub fn free_disk(&self) {
        self.limit_files(None);
    }

    #[cfg(target_os = "linux")]
    fn limit_files(&self, current: Option<u64>) {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};
        let pid = Pid::from_child(self.process.as_ref().unwrap());
        prlimit(Some(pid), Resource::Fsize, Rlimit { current, maximum: None }).unwrap();
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Asks it to end in good order.
    pub fn ask_to_end(&mut self) {
        self.is_ending = true;
        let pid = rustix::process::Pid::from_child(self.process.as_ref().unwrap());
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Ends it in good order, unless it was asked to before.
    pub fn end(&mut self) {
        if !self.is_ending {
            self.ask_to_end();
        }
        self.is_ending = false;
        let mut process = self.process.take().unwrap();
        assert!(process.wait().unwrap().success(), "{}", self.log());
        let mut printed = String::new();
        process.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        assert_eq!(printed, "");
    }

    /// Sends a request with these headers.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let method: Method = method.parse().unwrap();
        self.runtime.block_on(async {
            let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
            let mut request = client
                .build()
                .unwrap()
                .request(method, format!("{}{path}", self.url))
                .timeout(Duration::from_secs(60))
                .body(body.to_owned());
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = request.send().await.unwrap();
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            #[expect(clippy::disallowed_methods, reason = "our own service answers")]
            let text = answer.text().await.unwrap();
            Answer { status, headers, text }
        })
    }

    /// Without a key.
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    /// Without a key.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], &body.to_string())
    }

    /// Queues a job for contacts with these ids; its id.
    #[track_caller]
    pub fn queue(&self, tenant: &str, ids: &[&str]) -> String {
        let records: Vec<_> = ids.iter().map(|id| contact(id)).collect();
        let body =
            json!({"connector_id": "crm", "job_type": "write", "state": {"contacts": records}});
        let job = self.post(&format!("/v2/dev/two/{tenant}/jobs"), &body).is(201);
        job["job_id"].as_str().unwrap().to_owned()
    }

    /// Waits for a job's end; how it stands then.
    #[track_caller]
    pub fn ended(&self, job: &str) -> Value {
        self.ended_by(&[], job)
    }

    /// The same for a service that asks for a key.
    #[track_caller]
    pub fn ended_by(&self, key: &[(&str, &str)], job: &str) -> Value {
        self.wait(|| {
            let job = self.send("GET", &format!("/api/v1/jobs/{job}"), key, "").is(200);
            let is_open = matches!(job["status"].as_str(), Some("queued" | "running"));
            if is_open { Err(job) } else { Ok(job) }
        })
    }

    /// Waits for the outcome of a record of `acme` that nobody waited for, and tells its bookmark.
    #[track_caller]
    pub fn outcome(&self, asked: &Value) -> Value {
        let id = asked["taskId"].as_str().unwrap();
        let told = self.wait(|| {
            let told = self.get(&format!("/dev/two/acme/connectors/status?taskId={id}")).is(200);
            if told["has_data"] == true { Ok(told) } else { Err(told) }
        });
        assert_eq!(told["result"]["status_code"], 200);
        let streams = told["result"]["state"]["bookmarks"].as_object().unwrap();
        streams.values().next().unwrap()[0].clone()
    }

    /// Asks until there is what is asked for, a minute and a half at most; until then it is told what there is.
    #[track_caller]
    pub fn wait<T>(&self, mut ask: impl FnMut() -> Result<T, Value>) -> T {
        let began = Instant::now();
        loop {
            match ask() {
                Ok(found) => return found,
                Err(told) => {
                    assert!(began.elapsed() < Duration::from_secs(90), "{told:#}\n{}", self.log());
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until that holds.
    #[track_caller]
    pub fn wait_until(&self, mut holds: impl FnMut() -> bool) {
        self.wait(|| if holds() { Ok(()) } else { Err(Value::Null) });
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
    }
}

/// Asks for a key: an administrator's, and one of each tenant's.
pub fn with_keys(url: &str) -> Value {
    let mut config = config(url);
    config["admin_keys"] = json!([{"env": "ADMIN_KEY"}]);
    for (tenant, key) in [("acme", "ACME_KEY"), ("other", "OTHER_KEY")] {
        config["environments"]["dev"]["tenants"][tenant]["keys"] = json!([{"env": key}]);
    }
    config
}

/// A contact of this id.
pub fn contact(id: &str) -> Value {
    json!({"externalId": id, "email": format!("{id}@example.com")})
}
